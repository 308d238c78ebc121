"""`open_source`: which layout is taken, and what it says when none can be."""

import subprocess
import sys
from pathlib import Path

import pytest

from catdog import registry
from catdog.errors import InputError, UsageError
from data_tools import sources
from data_tools.sources import open_source


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["train/cat.1.jpg", "train/dog.1.jpg", "test/1.jpg"], "Kaggle"),
        # Sorted into folders by someone, but still with Kaggle's names: both readings agree.
        (["cat/cat.1.jpg", "dog/dog.1.jpg"], "Kaggle"),
        (["PetImages/Cat/1.jpg", "PetImages/Dog/1.jpg", "cat.1.jpg"], "PetImages"),
        (["Cat/1.jpg", "Dog/1.jpg", "Bird/1.jpg"], "ImageFolder"),
        # Most names are not Kaggle's, so the one that is must not decide.
        (["cat/cat.1.jpg", "dog/rex.jpg", "bird/tit.jpg"], "ImageFolder"),
        (["dataset_info.json", "features.json", "x-train.tfrecord-00000-of-00001"], "Tfds"),
    ],
)
def test_auto_takes_the_most_particular_layout_that_fits(make_tree, files, expected) -> None:
    folder = make_tree(dict.fromkeys(files, b""))["folder"]
    assert type(open_source(folder)).__name__ == expected


def test_a_named_layout_is_taken_without_a_look(make_tree) -> None:
    folder = make_tree({"Cat/cat.1.jpg": b"", "Dog/dog.1.jpg": b""})["folder"]
    source = open_source(folder, layout="image_folder")
    assert source.scan().class_names == ("Cat", "Dog")


def test_an_unknown_layout_lists_the_right_ones(tmp_path: Path) -> None:
    known = ", ".join(registry.names(sources.__name__))
    with pytest.raises(UsageError, match=f"choose from {known}; did you mean 'kaggle'"):
        open_source(str(tmp_path), layout="kagle")


@pytest.mark.parametrize("layout", ["auto", "kaggle"])
def test_what_is_no_folder_and_no_zip_is_an_input_error(tmp_path: Path, layout: str) -> None:
    with pytest.raises(InputError, match="is not there; give a folder or a zip") as caught:
        open_source(str(tmp_path / "nothing"), layout=layout)
    assert caught.value.exit_code == 3
    (tmp_path / "x.tar").write_bytes(b"tar")
    with pytest.raises(InputError, match="neither a folder nor a zip"):
        open_source(str(tmp_path / "x.tar"), layout=layout)


def test_a_folder_that_fits_nothing_says_what_would_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"fits no layout .* cat\.1\.jpg and dog\.1\.jpg"):
        open_source(str(tmp_path))


def test_sources_do_not_import_tensorflow() -> None:
    code = (
        "import sys; from catdog import registry; from data_tools import sources;"
        "[registry.find(sources.__name__, n, sources.Source)"
        " for n in registry.names(sources.__name__)];"
        "sys.exit('tensorflow' in sys.modules or 'tensorflow_datasets' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
