"""Kaggle's layout: the class is in the name, at any depth, in any wrapping."""

import io
import zipfile
from pathlib import Path

import pytest

from catdog.errors import InputError
from data_tools.sources import Item, open_source
from data_tools.sources.kaggle import Kaggle

FILES = {
    "train/cat.2.jpg": b"c2",
    "train/cat.10.jpg": b"c10",
    "train/Dog.1.JPG": b"d1",
    "deep/er/dog.3.jpeg": b"d3",
    "test1/1.jpg": b"",
    "test1/20.jpg": b"",
    "cover.jpg": b"",
    "cat.jpg": b"",
    "train/cat.1.jpg.txt": b"",
    "train/bobcat.1.jpg": b"",
    "readme.md": b"",
    "train/._cat.2.jpg": b"",
}
KEYS = ["deep/er/dog.3.jpeg", "train/Dog.1.JPG", "train/cat.10.jpg", "train/cat.2.jpg"]
PASSED_OVER = {
    "hidden file": 1,
    "no class in the name": 3,
    "not a picture name": 2,
    "unlabelled": 2,
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_names_give_the_labels_and_all_else_is_counted(make_tree, kind: str) -> None:
    source = Kaggle(make_tree(FILES)[kind])
    found = source.scan()
    assert found.class_names == ("cat", "dog")
    assert [item.key for item in found.items] == KEYS
    assert [item.label for item in found.items] == [1, 1, 0, 0]
    assert [source.read(item.locator) for item in found.items] == [b"d3", b"d1", b"c10", b"c2"]
    assert found.passed_over == PASSED_OVER
    source.close()


def test_classes_turns_the_labels_round(make_tree) -> None:
    found = Kaggle(make_tree(FILES)["folder"], classes=("dog", "cat")).scan()
    assert found.class_names == ("dog", "cat")
    assert [item.label for item in found.items] == [0, 0, 1, 1]


def test_the_train_zip_inside_the_download_is_read_and_the_test_zip_is_not(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("train/", b"")
        archive.writestr("train/cat.0.jpg", b"cat")
        archive.writestr("train/dog.0.jpg", b"dog")
    with zipfile.ZipFile(tmp_path / "dogs-vs-cats.zip", "w") as outer:
        for name in ("sampleSubmission.csv", "test1.zip", "train.zip"):
            outer.writestr(name, inner.getvalue() if name == "train.zip" else b"x")
    source = open_source(str(tmp_path / "dogs-vs-cats.zip"))
    assert isinstance(source, Kaggle)
    found = source.scan()
    assert [(item.key, item.label) for item in found.items] == [
        ("train.zip/train/cat.0.jpg", 0),
        ("train.zip/train/dog.0.jpg", 1),
    ]
    assert [source.read(item.locator) for item in found.items] == [b"cat", b"dog"]
    assert found.passed_over == {"not a picture name": 2}
    source.close()


@pytest.mark.parametrize(
    ("files", "classes", "words"),
    [
        (["readme"], (), "no labelled picture .passed over: 1 not a picture name"),
        (["1.jpg", "2.jpg"], (), "2 unlabelled"),
        (["cat.1.jpg"], (), "no picture of the class 'dog'"),
        (["cat.1.jpg", "dog.1.jpg"], ("cat", "bird"), "'bird'; the classes are cat, dog"),
        (["cat.1.jpg", "dog.1.jpg"], ("cat",), "one class, 'cat'"),
    ],
)
def test_fewer_than_two_classes_are_an_input_error(make_tree, files, classes, words) -> None:
    folder = make_tree(dict.fromkeys(files, b""))["folder"]
    with pytest.raises(InputError, match=words) as caught:
        Kaggle(folder, classes=classes).scan()
    assert "\n" not in str(caught.value)


def test_the_real_pictures_are_6250_cats_and_6250_dogs(real_data: Path) -> None:
    source = open_source(str(real_data / "dogs-vs-cats-200px.zip"))
    assert isinstance(source, Kaggle)
    found = source.scan()
    labels = [item.label for item in found.items]
    assert (labels.count(0), labels.count(1), len(labels)) == (6250, 6250, 12500)
    assert found.passed_over == {}
    assert found.items[0] == Item("train/cat.100.jpg", 0, found.items[0].locator)
    assert source.read(found.items[0].locator)[:3] == b"\xff\xd8\xff"
    source.close()
