"""The PetImages layout: the class is the folder, and what lies about beside it is no class."""

from pathlib import Path

import pytest

from data_tools.sources import open_source
from data_tools.sources.petimages import PetImages

FILES = {
    "readme[1].txt": b"",
    "MSR-LA - 3467.docx": b"",
    "PetImages/Cat/0.jpg": b"c0",
    "PetImages/Cat/Thumbs.db": b"",
    "PetImages/Dog/11702.JPG": b"",
    "PetImages/Dog/copy of 1.jpg": b"",
    "PetImages/Bird/1.jpg": b"",
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("wrapping", ["", "a/b/"])
def test_numbered_pictures_are_taken_and_all_else_is_counted(make_tree, kind, wrapping) -> None:
    path = make_tree({wrapping + name: data for name, data in FILES.items()})[kind]
    source = open_source(path)
    assert isinstance(source, PetImages)
    found = source.scan()
    assert found.class_names == ("cat", "dog")
    assert [(item.key, item.label) for item in found.items] == [
        (wrapping + "PetImages/Cat/0.jpg", 0),
        (wrapping + "PetImages/Dog/11702.JPG", 1),
    ]
    assert found.passed_over == {"not a picture name": 3, "not a number in Cat or Dog": 2}
    assert source.read(found.items[0].locator) == b"c0"
    source.close()


def test_the_folder_petimages_itself_may_be_given(make_tree) -> None:
    folder = make_tree(FILES)["folder"]
    source = open_source(f"{folder}/PetImages/", classes=("dog", "cat"))
    assert isinstance(source, PetImages)
    found = source.scan()
    assert [(item.key, item.label) for item in found.items] == [
        ("Cat/0.jpg", 1),
        ("Dog/11702.JPG", 0),
    ]


def test_the_real_archive_has_1008_candidates_and_3_other_files(real_data: Path) -> None:
    source = open_source(str(real_data / "petimages-1000.zip"))
    assert isinstance(source, PetImages)
    found = source.scan()
    assert len(found.items) == 1008
    assert found.passed_over == {"not a picture name": 3}
    source.close()
