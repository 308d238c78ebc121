"""The record format against TensorFlow's own, the manifest against damage, sums against numpy."""

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catdog import schema
from catdog.errors import InputError, IntegrityError, MismatchError, UsageError

EXAMPLE = schema.Example(
    encoded=bytes(range(256)) * 3,
    height=256,
    width=300,
    label=1,
    text="dog",
    filename="tr\N{LATIN SMALL LETTER A WITH DIAERESIS}in/dog.1.jpg",
    sha256="ab" * 32,
)


def tensorflow_example(example: schema.Example) -> Any:
    import tensorflow as tf

    def of_bytes(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def of_number(value: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    feature = {
        "image/encoded": of_bytes(example.encoded),
        "image/format": of_bytes(b"jpeg"),
        "image/height": of_number(example.height),
        "image/width": of_number(example.width),
        "image/class/label": of_number(example.label),
        "image/class/text": of_bytes(example.text.encode()),
        "image/filename": of_bytes(example.filename.encode()),
        "image/key/sha256": of_bytes(example.sha256.encode()),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))


@pytest.mark.parametrize(
    "example",
    [
        EXAMPLE,
        dataclasses.replace(EXAMPLE, encoded=b"", filename="", label=0),
        dataclasses.replace(EXAMPLE, encoded=b"\xff" * 70_000, height=2**40, label=-1),
    ],
    ids=["ordinary", "empty", "large and negative"],
)
def test_a_record_is_the_bytes_that_tensorflow_writes(example: schema.Example) -> None:
    wanted = tensorflow_example(example).SerializeToString(deterministic=True)
    assert schema.serialize(example) == wanted


@pytest.mark.parametrize("length", [0, 1, 5, 4096])
def test_a_frame_is_the_bytes_that_tensorflow_writes(tmp_path: Path, length: int) -> None:
    import tensorflow as tf

    record = np.random.default_rng(length).bytes(length)
    with tf.io.TFRecordWriter(str(tmp_path / "file")) as writer:
        writer.write(record)
    assert schema.frame(record) == (tmp_path / "file").read_bytes()


def test_parse_gives_back_what_was_serialized() -> None:
    import tensorflow as tf

    record = schema.serialize(EXAMPLE)
    parsed = schema.parse(tf.constant(record))
    assert parsed["encoded"].numpy() == EXAMPLE.encoded
    assert (parsed["label"].numpy(), parsed["label"].dtype) == (1, tf.int64)
    assert parsed["key"].numpy().decode() == EXAMPLE.filename


def test_a_name_that_is_no_text_is_stored_all_the_same() -> None:
    assert schema.key_bytes(os.fsdecode(b"caf\xe9.jpg")) == b"caf\\udce9.jpg"


def test_shards_are_named_as_tfds_names_them() -> None:
    assert schema.shard_name("train", 3, 12) == "catdog-train.tfrecord-00003-of-00012"


# ---- the manifest ----


def sums_of(pixels: np.ndarray) -> schema.Sums:
    flat = [[int(value) for value in pixel] for pixel in pixels]
    return schema.Sums(
        pixels=len(flat),
        sum=tuple(sum(pixel[i] for pixel in flat) for i in range(3)),
        products=tuple(
            tuple(sum(pixel[i] * pixel[j] for pixel in flat) for j in range(3)) for i in range(3)
        ),
    )


def shard(name: str, pixels: np.ndarray, content: bytes = b"content") -> schema.Shard:
    digest = hashlib.sha256(content).hexdigest()
    return schema.Shard(name, 2, len(content), digest, sums_of(pixels))


PIXELS = np.random.default_rng(1).integers(0, 256, (600, 3), dtype=np.uint8)


def manifest() -> schema.Manifest:
    train = tuple(shard(f"t{i}", PIXELS[i * 200 : (i + 1) * 200]) for i in range(2))
    return schema.Manifest(
        schema_version=1,
        class_names=("cat", "d\N{LATIN SMALL LETTER O WITH DIAERESIS}g"),
        preparation={"image_size": 256, "resize": "squash", "jpeg_quality": 95},
        source={"name": "train.zip", "layout": "kaggle"},
        build={"seed": 0},
        counts={"kept": 6},
        libraries={"pillow": "13.0.0"},
        files={"splits.csv": "00"},
        splits={
            "train": schema.Split("train", train, (2, 2)),
            "validation": schema.Split("validation", (shard("v0", PIXELS[400:]),), (1, 1)),
        },
    )


def written(folder: Path, text: str) -> Path:
    (folder / schema.MANIFEST_FILE).write_text(text, encoding="utf-8")
    return folder


def changed(**changes: Any) -> str:
    return json.dumps(json.loads(schema.manifest_text(manifest())) | changes)


def test_a_manifest_is_read_back_equal(tmp_path: Path) -> None:
    text = schema.manifest_text(manifest())
    assert schema.read_manifest(written(tmp_path, text)) == manifest()
    assert list(schema.read_manifest(str(tmp_path)).splits) == ["train", "validation"]
    assert schema.read_manifest(tmp_path).image_size == 256
    assert schema.read_manifest(tmp_path).split("train").examples == 4
    assert schema.read_manifest(tmp_path).split("train").bytes == 14


def test_what_a_later_minor_version_adds_is_no_obstacle(tmp_path: Path) -> None:
    assert schema.read_manifest(written(tmp_path, changed(later="thing"))) == manifest()


def test_no_manifest_means_build_first(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match="run python -m data_tools.build_tfrecords first"):
            schema.read_manifest(folder)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="format version 2, this catdog reads up to 1"):
        schema.read_manifest(written(tmp_path, json.dumps({"schema_version": 2})))


def _split_json(**changes: Any) -> str:
    split = json.loads(schema.manifest_text(manifest()))["splits"][1]
    return changed(splits=[split | changes])


DAMAGED = {
    "empty": "",
    "cut": schema.manifest_text(manifest())[:700],
    "no object": "[]",
    "no version": changed(schema_version=None),
    "a split missing": changed(splits=None),
    "no image size": changed(preparation={}),
    "counts that do not add up": _split_json(examples=3),
    "a shard outside the folder": changed(
        splits=[
            {
                "name": "x",
                "examples": 1,
                "bytes": 1,
                "label_counts": [1, 0],
                "shards": [
                    dataclasses.asdict(schema.Shard("../secret", 1, 1, "00", schema.NO_SUMS))
                ],
            }
        ]
    ),
    "not text": "\udcff",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_manifest_is_named_with_the_way_out(tmp_path: Path, kind: str) -> None:
    data = DAMAGED[kind].encode("utf-8", "surrogateescape")
    (tmp_path / schema.MANIFEST_FILE).write_bytes(data)
    with pytest.raises(IntegrityError, match="manifest.json is damaged .* rebuild it with"):
        schema.read_manifest(tmp_path)


def test_an_unknown_split_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match="no split 'test'; choose from train, validation"):
        manifest().split("test")


def test_statistics_are_numpys_over_all_pixels_of_the_split() -> None:
    found = manifest().statistics("train")
    pixels = PIXELS[:400].astype(np.float64)
    np.testing.assert_allclose(found.mean, pixels.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.std, pixels.std(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(pixels.T, bias=True), rtol=1e-12)


def test_statistics_do_not_depend_on_the_shards() -> None:
    whole = schema.statistics(sums_of(PIXELS[:400]))
    assert whole == manifest().statistics("train")


def test_statistics_of_nothing_are_refused() -> None:
    with pytest.raises(IntegrityError, match="statistics need pixels"):
        schema.statistics(schema.NO_SUMS)


def test_the_fingerprint_follows_class_names_and_contents_alone() -> None:
    first = manifest()
    print_ = first.fingerprint
    assert len(print_) == 64
    assert dataclasses.replace(first, class_names=("dog", "cat")).fingerprint != print_
    other = schema.Split("validation", (shard("v0", PIXELS[400:], b"CONTENT"),), (1, 1))
    assert dataclasses.replace(first, splits=first.splits | {"validation": other}).fingerprint != (
        print_
    )
    moved = dataclasses.replace(first, source={"name": "other.zip"}, build={"seed": 1})
    assert moved.fingerprint == print_
    turned = dataclasses.replace(first, splits=dict(reversed(first.splits.items())))
    assert turned.fingerprint == print_


def test_every_shard_must_be_there_with_its_size(tmp_path: Path) -> None:
    split = manifest().split("train")
    for item in split.shards:
        (tmp_path / item.file).write_bytes(b"content")
    schema.check_files(tmp_path, split)
    (tmp_path / "t1").write_bytes(b"conten")
    with pytest.raises(IntegrityError, match="t1 has 6 bytes, its manifest says 7 bytes; copy"):
        schema.check_files(tmp_path, split)
    (tmp_path / "t1").unlink()
    with pytest.raises(IntegrityError, match="t1 is missing"):
        schema.check_files(tmp_path, split)
