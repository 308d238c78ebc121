"""Every layout keeps the room's contract; a new file is picked up unasked.

A layout brings its tree: the fixture LAYOUT_tree in conftest.py beside this file.
"""

import io
import pickle
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from catdog import registry
from catdog.errors import InputError, UsageError
from data_tools import sources
from data_tools.sources import Listing, Source, open_source
from data_tools.sources._store import Store

ROOM = sources.__name__

Tree = dict[str, str]


@pytest.fixture(params=registry.names(ROOM))
def layout(request: pytest.FixtureRequest) -> str:
    """The name of one layout after the other."""
    return str(request.param)


@pytest.fixture
def tree(layout: str, request: pytest.FixtureRequest) -> Tree:
    """The layout's tree, by its name."""
    try:
        found: Tree = request.getfixturevalue(f"{layout}_tree")
    except pytest.FixtureLookupError:
        pytest.fail(
            f"data_tools/sources/{layout}.py has no tree to be tested with: add a fixture "
            f"{layout}_tree to tests/data_tools/sources/conftest.py that writes _pictures() as the "
            "layout has them and returns {kind: path}"
        )
    return found


def _kind(data: bytes) -> str:
    """The class of a picture of conftest.py, by its colour."""
    with Image.open(io.BytesIO(data)) as picture:
        red, _, blue = picture.convert("RGB").getpixel((8, 8))
    return "cat" if red > blue else "dog"


def _scanned(path: str, layout: str, classes: tuple[str, ...] = ()) -> tuple[Source, Listing]:
    source = open_source(path, layout=layout, classes=classes)
    return source, source.scan()


def test_all_pictures_are_found_with_their_classes_under_unique_keys_in_order(
    layout: str, tree: Tree
) -> None:
    assert tree
    for path in tree.values():
        source, found = _scanned(path, layout)
        keys = [item.key for item in found.items]
        assert keys == sorted(set(keys))
        assert len(set(found.class_names)) == len(found.class_names) == 2
        assert all(0 <= item.label < 2 for item in found.items)
        # The colours say what each picture is, whatever its name and place are.
        seen = Counter()
        for item in found.items:
            kind = _kind(source.read(item.locator))
            assert found.class_names[item.label].lower() == kind
            seen[kind] += 1
        assert seen == {"cat": 5, "dog": 3}
        assert found.passed_over == {}
        source.close()


def test_scanning_again_or_in_another_container_finds_the_same(layout: str, tree: Tree) -> None:
    listings = []
    for path in [*tree.values(), next(iter(tree.values()))]:
        source, found = _scanned(path, layout)
        pictures = [(item.key, item.label, source.read(item.locator)) for item in found.items]
        listings.append((found.class_names, pictures))
        source.close()
    assert all(listing == listings[0] for listing in listings[1:])


def test_a_pickled_source_reads_the_same_bytes(layout: str, tree: Tree) -> None:
    for path in tree.values():
        source, found = _scanned(path, layout)
        worker = pickle.loads(pickle.dumps(source))  # noqa: S301
        for item in found.items:
            assert worker.read(item.locator) == source.read(item.locator) != b""
        worker.close()
        source.close()


def test_classes_turns_the_labels_round_and_knows_no_others(layout: str, tree: Tree) -> None:
    path = next(iter(tree.values()))
    source, found = _scanned(path, layout)
    turned_source, turned = _scanned(path, layout, found.class_names[::-1])
    assert turned.class_names == found.class_names[::-1]
    assert [(item.key, 1 - item.label) for item in turned.items] == [
        (item.key, item.label) for item in found.items
    ]
    stranger = open_source(path, layout=layout, classes=(found.class_names[0], "no such class"))
    with pytest.raises(InputError, match="no such class"):
        stranger.scan()
    for opened in (source, turned_source, stranger):
        opened.close()


def test_auto_finds_the_layout_by_its_tree(layout: str, tree: Tree) -> None:
    for path in tree.values():
        source = open_source(path)
        assert type(source) is registry.find(ROOM, layout, Source)
        source.close()


def test_an_empty_folder_is_not_recognised_and_classes_must_differ(
    layout: str, tmp_path: Path
) -> None:
    kind = registry.find(ROOM, layout, Source)
    assert kind.recognises(Store(str(tmp_path))) is False
    source = kind(str(tmp_path), classes=("a", "b"))
    assert (source.path, source.classes) == (str(tmp_path), ("a", "b"))
    source.close()
    with pytest.raises(UsageError, match="received 'a,a'"):
        kind(str(tmp_path), classes=("a", "a"))
