"""Format version 1, as it was written when it was new, is still read and still written."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from catdog import schema
from data_tools import build_tfrecords
from data_tools._describe import libraries
from data_tools.config import BuildConfig

GOLDEN = Path(__file__).resolve().parent / "v1"
DATA = GOLDEN / "data"

# Copied from the files on the day they were made.
FINGERPRINT = "89612f68e00877ce6aa6c19b5d97cc875fcd6b78d173f82dfc531e4f937a0a77"
TRAIN_KEYS = ["cat.2.jpg", "dog.0.jpg", "dog.1.jpg", "cat.1.jpg"]
TRAIN_LABELS = [0, 1, 1, 0]


def rebuilt(folder: Path) -> Path:
    config = BuildConfig(
        source=str(GOLDEN / "pictures"),
        output_dir=str(folder / "data"),
        image_size=32,
        splits=("train=0.6", "validation=0.4"),
        num_shards=("train=2", "validation=1"),
        workers=1,
    )
    build_tfrecords.main(config)
    return folder / "data"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_manifest_says_what_it_said() -> None:
    manifest = schema.read_manifest(DATA)
    assert manifest.schema_version == 1
    assert manifest.class_names == ("cat", "dog")
    assert manifest.image_size == 32
    assert {name: split.label_counts for name, split in manifest.splits.items()} == {
        "train": (2, 2),
        "validation": (1, 1),
    }
    assert manifest.counts["rejected"] == 1
    assert manifest.fingerprint == FINGERPRINT
    np.testing.assert_allclose(
        manifest.statistics("train").mean, [94.699, 139.7932, 110.1284], atol=1e-4
    )


def test_every_file_has_the_sha256_that_the_manifest_states() -> None:
    manifest = schema.read_manifest(DATA)
    stated = dict(manifest.files)
    for split in manifest.splits.values():
        schema.check_files(DATA, split)
        stated |= {shard.file: shard.sha256 for shard in split.shards}
    found = {name: hashlib.sha256(content).hexdigest() for name, content in contents(DATA).items()}
    del found["manifest.json"]
    assert found == stated


def test_the_records_are_read_in_their_order() -> None:
    import tensorflow as tf

    split = schema.read_manifest(DATA).split("train")
    records = tf.data.TFRecordDataset([str(DATA / shard.file) for shard in split.shards])
    parsed = [schema.parse(record) for record in records]
    assert [item["key"].numpy().decode() for item in parsed] == TRAIN_KEYS
    assert [int(item["label"]) for item in parsed] == TRAIN_LABELS
    assert all(tf.io.decode_jpeg(item["encoded"]).shape == (32, 32, 3) for item in parsed)


def test_a_rebuild_gives_the_same_pictures_the_same_places(tmp_path: Path) -> None:
    folder = rebuilt(tmp_path)
    for name in ("splits.csv", "features.json", "image.class.label.labels.txt"):
        assert (folder / name).read_bytes() == (DATA / name).read_bytes()
    with (folder / "rejects.csv").open(newline="") as file:
        assert [row["key"] for row in csv.DictReader(file)] == ["dog.3.jpg"]
    old, new = schema.read_manifest(DATA), schema.read_manifest(folder)
    for name, split in old.splits.items():
        found = new.split(name)
        assert [shard.file for shard in found.shards] == [shard.file for shard in split.shards]
        assert [shard.examples for shard in found.shards] == [
            shard.examples for shard in split.shards
        ]
        # another JPEG library may round a pixel the other way, not more
        wanted = old.statistics(name)
        np.testing.assert_allclose(new.statistics(name).mean, wanted.mean, atol=1)


def test_a_rebuild_with_the_same_libraries_gives_the_same_bytes(tmp_path: Path) -> None:
    stated = schema.read_manifest(DATA).libraries
    if libraries() != stated:
        pytest.skip(f"the golden set was made with {stated}, here are {libraries()}")
    found = contents(rebuilt(tmp_path))
    del found["DATA_CARD.md"]  # is no part of the format
    assert found == contents(DATA)
