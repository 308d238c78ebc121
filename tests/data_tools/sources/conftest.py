"""Small trees of pictures: any files twice, as a folder and as a zip, and one in each layout."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from data_tools import build_tfrecords
from data_tools.config import BuildConfig

MakeTree = Callable[[dict[str, bytes]], dict[str, str]]

# What each LAYOUT_tree below holds. Cats are red and dogs are blue, so that whoever reads a
# picture can tell its class; the green grows with the number.
CATS, DOGS = 5, 3


def colour(kind: str, number: int) -> tuple[int, int, int]:
    """The colour of picture `number` of the class "cat" or "dog"."""
    return (230 if kind == "cat" else 20, 16 * number, 20 if kind == "cat" else 230)


def _pictures() -> list[tuple[str, int, bytes]]:
    """(kind, number, JPEG bytes) of each picture."""
    found = []
    for kind, count in (("cat", CATS), ("dog", DOGS)):
        for number in range(count):
            stream = io.BytesIO()
            Image.new("RGB", (16, 16), colour(kind, number)).save(stream, "JPEG")
            found.append((kind, number, stream.getvalue()))
    return found


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """A function from {name: bytes} to {"folder": path, "zip": path}."""

    def make(files: dict[str, bytes]) -> dict[str, str]:
        folder = tmp_path / "tree"
        with zipfile.ZipFile(tmp_path / "tree.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                archive.write(path, name)
        return {"folder": str(folder), "zip": str(tmp_path / "tree.zip")}

    return make


# The tree of the layout in data_tools/sources/LAYOUT.py is the fixture LAYOUT_tree: the paths, by
# kind, under which the layout finds the pictures. test_sources.py asks for it by that name.


@pytest.fixture
def kaggle_tree(make_tree: MakeTree) -> dict[str, str]:
    """train/cat.0.jpg …"""
    return make_tree({f"train/{kind}.{n}.jpg": data for kind, n, data in _pictures()})


@pytest.fixture
def petimages_tree(make_tree: MakeTree) -> dict[str, str]:
    """PetImages/Cat/0.jpg …"""
    return make_tree({f"PetImages/{kind.title()}/{n}.jpg": d for kind, n, d in _pictures()})


@pytest.fixture
def image_folder_tree(make_tree: MakeTree) -> dict[str, str]:
    """animals/cat/a0.jpg …"""
    return make_tree({f"animals/{kind}/a{n}.jpg": data for kind, n, data in _pictures()})


@pytest.fixture
def tfds_tree(kaggle_tree: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Records that TFDS reads, because every build of ours is laid out for it."""
    output = tmp_path / "records"
    build_tfrecords.main(
        BuildConfig(
            source=kaggle_tree["folder"],
            output_dir=str(output),
            splits=("train=0.5", "test=0.5"),
            image_size=16,
            workers=1,
        )
    )
    return {"records": str(output)}
