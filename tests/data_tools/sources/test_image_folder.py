"""One folder a class: which folders are classes, in which order."""

import pytest

from catdog.errors import InputError
from data_tools.sources import open_source
from data_tools.sources.image_folder import ImageFolder

FILES = {
    "tabby/1.jpg": b"t1",
    "tabby/more/2.PNG": b"t2",
    "Siamese/a.webp": b"s",
    "Siamese/notes.txt": b"",
    "bengal/b.TIFF": b"b",
    "docs/readme.md": b"",
    "cover.jpg": b"",
    ".git/x.jpg": b"",
}
PASSED_OVER = {"hidden file": 1, "in no class folder": 1, "not a picture name": 2}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("wrapping", ["", "my pets/", "data/my pets/"])
def test_folders_with_pictures_are_classes_sorted_by_name(make_tree, kind, wrapping) -> None:
    path = make_tree({wrapping + name: data for name, data in FILES.items()})[kind]
    source = open_source(path)
    assert isinstance(source, ImageFolder)
    found = source.scan()
    assert found.class_names == ("Siamese", "bengal", "tabby")
    assert [(item.key.removeprefix(wrapping), item.label) for item in found.items] == [
        ("Siamese/a.webp", 0),
        ("bengal/b.TIFF", 1),
        ("tabby/1.jpg", 2),
        ("tabby/more/2.PNG", 2),
    ]
    assert [source.read(item.locator) for item in found.items] == [b"s", b"b", b"t1", b"t2"]
    assert found.passed_over == PASSED_OVER
    source.close()


def test_classes_fixes_their_order_and_leaves_out_the_others(make_tree) -> None:
    folder = make_tree(FILES)["folder"]
    found = ImageFolder(folder, classes=("tabby", "Siamese")).scan()
    assert found.class_names == ("tabby", "Siamese")
    assert [item.label for item in found.items] == [1, 0, 0]
    assert found.passed_over == {**PASSED_OVER, "class not listed": 1}


@pytest.mark.parametrize(
    ("files", "classes", "words"),
    [
        ([], (), "no labelled picture"),
        (["a.jpg", "b.jpg"], (), "2 in no class folder"),
        (["cat/a.jpg"], (), "one class, 'cat', where two or more"),
        (["cat/a.jpg", "dog/b.jpg"], ("cat", "cow"), "'cow'; the classes are cat, dog"),
        (["cat/a.jpg", "dog/notes.txt"], ("cat", "dog"), "no picture of the class 'dog'"),
        (["train/cat/a.jpg", "val/cat/a.jpg"], (), "train, val, which are splits and no classes"),
    ],
)
def test_what_holds_no_two_classes_is_an_input_error(
    make_tree, tmp_path, files, classes, words
) -> None:
    (tmp_path / "tree").mkdir()
    folder = make_tree(dict.fromkeys(files, b""))["folder"]
    with pytest.raises(InputError, match=words) as caught:
        ImageFolder(folder, classes=classes).scan()
    assert "\n" not in str(caught.value)
