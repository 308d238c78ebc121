"""TensorFlow Datasets reads a built folder: the same counts, labels and pictures as ours."""

from pathlib import Path

import numpy as np
import pytest

from catdog import schema

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "v1"


def ours(data: Path, split: str) -> dict[str, tuple[int, np.ndarray]]:
    """Key -> label and pixels, read without TFDS."""
    import tensorflow as tf

    shards = schema.read_manifest(data).split(split).shards
    found = {}
    for record in tf.data.TFRecordDataset([str(data / shard.file) for shard in shards]):
        item = schema.parse(record)
        pixels = tf.io.decode_jpeg(item["encoded"], channels=3).numpy()
        found[item["key"].numpy().decode()] = (int(item["label"]), pixels)
    return found


# what TFDS itself is warned of by the libraries below it is none of ours
@pytest.mark.filterwarnings("ignore")
def test_tfds_reads_the_folder_that_we_wrote(tmp_path: Path) -> None:
    import shutil

    import tensorflow_datasets as tfds

    home = tmp_path / "catdog" / "1.0.0"
    shutil.copytree(GOLDEN / "data", home)
    builder = tfds.builder_from_directory(home)
    manifest = schema.read_manifest(home)
    counts = {name: split.num_examples for name, split in builder.info.splits.items()}
    assert counts == {name: split.examples for name, split in manifest.splits.items()}
    sizes = {name: split.num_bytes for name, split in builder.info.splits.items()}
    assert sizes == {name: split.bytes for name, split in manifest.splits.items()}
    assert tuple(builder.info.features["image/class/label"].names) == manifest.class_names

    wanted = ours(home, "train")
    seen = set()
    for example in builder.as_dataset(split="train").as_numpy_iterator():
        key = example["image/filename"].decode()
        label, pixels = wanted[key]
        assert example["image/class/label"] == label
        assert example["image/class/text"].decode() == manifest.class_names[label]
        assert example["image/format"] == b"jpeg"
        assert (example["image/height"], example["image/width"]) == (32, 32)
        assert len(example["image/key/sha256"]) == 64
        np.testing.assert_array_equal(example["image/encoded"], pixels)
        seen.add(key)
    assert seen == set(wanted)


@pytest.mark.filterwarnings("ignore")
def test_tfds_load_gives_pictures_and_labels_as_supervised(tmp_path: Path) -> None:
    import shutil

    import tensorflow_datasets as tfds

    shutil.copytree(GOLDEN / "data", tmp_path / "catdog" / "1.0.0")
    data = tfds.load("catdog", data_dir=tmp_path, split="validation", as_supervised=True)
    found = [(int(label), image.tobytes()) for image, label in data.as_numpy_iterator()]
    wanted = ours(GOLDEN / "data", "validation").values()
    assert sorted(found) == sorted((label, pixels.tobytes()) for label, pixels in wanted)
