"""TFDS sets: the bytes that were encoded come back as they were, with keys and class names."""

import errno
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from catdog.errors import InputError
from data_tools.sources import open_source, tfds
from data_tools.sources.tfds import Tfds

# TFDS registers builders for the whole process, so the sets are written in a process of their own.
PREPARE = """
import io, sys
import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

class Pets(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")
    NAMED = True

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["dog", "cat"]),
            "noise": tfds.features.Tensor(shape=(2,), dtype=np.float32),
        }
        if self.NAMED:
            features["image/filename"] = tfds.features.Text()
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, download_manager):
        return {"train": self._generate_examples(5), "test": self._generate_examples(3)}

    def _generate_examples(self, count):
        for i in range(count):
            data = io.BytesIO()
            Image.new("RGB", (4, 3), (i, 10, 20)).save(data, "PNG")
            data.seek(0)
            example = {"image": data, "label": -1 if i == 2 else i % 2, "noise": [0, 1]}
            if self.NAMED:
                example["image/filename"] = f"Some/{i}.png"
            yield i, example

class Nameless(Pets):
    NAMED = False

for builder in (Pets, Nameless):
    builder(data_dir=sys.argv[1]).download_and_prepare()
"""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sets pets (with file names) and nameless, written by TFDS."""
    folder = tmp_path_factory.mktemp("tfds")
    script = folder / "prepare.py"
    script.write_text(PREPARE)
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def _red(data: bytes) -> int:
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.format, picture.size) == ("PNG", (4, 3))
        return picture.getpixel((0, 0))[0]


def test_a_prepared_set_gives_its_bytes_labels_and_file_names(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    source = open_source(str(data_dir / "pets" / "1.0.0"))
    assert isinstance(source, Tfds)
    found = source.scan()
    assert found.class_names == ("dog", "cat")
    assert found.passed_over == {"unlabelled": 2}
    assert [(item.key, item.label) for item in found.items] == [
        ("test/Some/0.png", 0),
        ("test/Some/1.png", 1),
        ("train/Some/0.png", 0),
        ("train/Some/1.png", 1),
        ("train/Some/3.png", 1),
        ("train/Some/4.png", 0),
    ]
    assert [_red(source.read(item.locator)) for item in found.items] == [0, 1, 0, 1, 3, 4]
    worker = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert _red(worker.read(found.items[4].locator)) == 3
    worker.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".spool"]
    source.close()
    assert list(tmp_path.iterdir()) == []


def test_a_set_without_file_names_is_numbered_and_classes_reorders_it(data_dir: Path) -> None:
    source = open_source(str(data_dir / "nameless" / "1.0.0"), classes=("cat", "dog"))
    found = source.scan()
    keys = [item.key for item in found.items]
    assert all(key.rpartition("/")[2].isdigit() for key in keys)
    assert [key.partition("/")[0] for key in keys] == ["test"] * 2 + ["train"] * 4
    labels = {_red(source.read(item.locator)): item.label for item in found.items}
    assert labels == {0: 1, 1: 0, 3: 0, 4: 1}
    source.close()


@pytest.mark.parametrize("name", ["no_such_set_anywhere", "mnist:0.0.9", "ag_news_subset/x"])
def test_a_set_that_tfds_cannot_give_is_an_input_error_of_one_line(name: str) -> None:
    source = open_source(name, layout="tfds")
    with pytest.raises(InputError, match="TFDS_DATA_DIR") as caught:
        source.scan()
    assert "\n" not in str(caught.value)
    source.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_takes_no_more_is_not_the_fault_of_the_name(number: int) -> None:
    with pytest.raises(OSError, match="no space") as caught, tfds._explained("pets"):
        raise OSError(number, "no space")
    assert caught.value.errno == number
    with pytest.raises(InputError, match="cannot give the set 'pets'"), tfds._explained("pets"):
        raise OSError(errno.ENOENT, "nothing there")
