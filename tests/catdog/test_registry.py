"""A file's name is a flag's value: found, listed, and its constructor's options spelled."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from catdog import registry
from catdog.errors import UsageError


class Shape:
    """The contract of the room that these tests build."""


ROOM = {
    "__init__": "",
    "_hidden": "raise RuntimeError('private modules are never imported')",
    "square": """
import tests_contract
from tests_room.circle import Circle

class Square(tests_contract.Shape):
    def __init__(self, *, side: int, name: str = "s", scale: float = 1.0, filled: bool = False):
        self.settings = (side, name, scale, filled)

class _Helper(tests_contract.Shape):
    pass

def area(): ...
""",
    "circle": "import tests_contract\nclass Circle(tests_contract.Shape): pass\n",
    "twins": "import tests_contract\nclass A(tests_contract.Shape): pass\nclass B(A): pass\n",
    "empty": "",
    "broken": "import a_module_that_is_not_there",
}


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a package with the modules of `ROOM`."""
    import sys
    import types

    contract = types.ModuleType("tests_contract")
    contract.Shape = Shape  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tests_contract", contract)
    folder = tmp_path / "tests_room"
    folder.mkdir()
    for name, text in ROOM.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield "tests_room"
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests_room"]:
        del sys.modules[name]


def test_names_are_the_public_files_and_none_is_imported(room: str) -> None:
    assert registry.names(room) == ["broken", "circle", "empty", "square", "twins"]


def test_the_class_that_the_module_defines_is_found_and_imported_ones_are_not(room: str) -> None:
    found = registry.find(room, "square", Shape)
    assert (found.__name__, found.__module__) == ("Square", f"{room}.square")


def test_a_wrong_name_lists_the_right_ones_and_guesses(room: str) -> None:
    with pytest.raises(UsageError) as caught:
        registry.find(room, "sqare", Shape)
    text = str(caught.value)
    assert "'sqare'" in text
    assert "broken, circle, empty, square, twins; did you mean 'square'?" in text
    with pytest.raises(UsageError, match="choose from"):
        registry.find(room, "_hidden", Shape)
    with pytest.raises(UsageError, match="choose from"):
        registry.find(room, "", Shape)


@pytest.mark.parametrize(("name", "count"), [("twins", 2), ("empty", 0)])
def test_a_file_without_exactly_one_public_class_is_a_bug(room: str, name: str, count: int) -> None:
    with pytest.raises(TypeError, match=f"it defines {count}"):
        registry.find(room, name, Shape)


def test_an_import_that_fails_inside_a_room_is_not_hidden(room: str) -> None:
    words = r"tests_room/broken.py cannot be imported .*'a_module_that_is_not_there'"
    with pytest.raises(UsageError, match=words) as caught:
        registry.find(room, "broken", Shape)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_options_are_converted_by_the_constructors_annotations(room: str) -> None:
    square = registry.find(room, "square", Shape)
    given = ("name=a=b", "scale=1e-3", "filled=True")
    options = registry.options(square, given, {"side": 2})
    assert options == {"name": "a=b", "scale": 1e-3, "filled": True}
    assert square(side=2, **options).settings == (2, "a=b", 1e-3, True)  # type: ignore[attr-defined]


def test_defaults_complete_what_is_given_and_read_back_as_they_were(room: str) -> None:
    square = registry.find(room, "square", Shape)
    every = registry.complete(square, ("scale=1e-3",), {"side"})
    assert every == ("scale=1e-3", "name=s", "filled=False")
    assert registry.options(square, every, {"side"}) == {
        "name": "s",
        "scale": 1e-3,
        "filled": False,
    }


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("colour=red", "no option 'colour'; its options: name, scale, filled"),
        ("side=3", "no option 'side'"),
        ("scale=wide", "scale takes a value of type float, received 'wide'"),
        ("filled=maybe", "filled takes a value of type bool, received 'maybe'"),
        ("scale", "written key=value, received 'scale'"),
    ],
)
def test_bad_options_say_what_is_valid(room: str, entry: str, words: str) -> None:
    square = registry.find(room, "square", Shape)
    with pytest.raises(UsageError, match=words):
        registry.options(square, (entry,), {"side": 2})


def test_a_class_that_does_not_take_what_it_gets_is_told_what_it_lacks(room: str) -> None:
    square = registry.find(room, "square", Shape)
    with pytest.raises(UsageError, match="the keywords side, seed, dtype; it lacks seed, dtype"):
        registry.check_takes(square, ("side", "seed", "dtype"))


def test_a_class_without_options_says_so(room: str) -> None:
    with pytest.raises(UsageError, match="its options: none"):
        registry.options(registry.find(room, "circle", Shape), ("a=1",), {})
