"""Settings from Python code meet the bounds that the flags have."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from catdog import checks, flags
from catdog.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Config:
    """A field of each kind."""

    folder: str = flags.option(flags.REQUIRED, "where to")
    count: int = flags.option(3, "how many", lower=1, upper=5)
    rate: float = flags.option(0.5, "how fast", lower=0.0)
    names: tuple[str, ...] = flags.option((), "which")
    loud: bool = flags.option(False, "whether")
    way: str = flags.option("left", "which way", choices=("left", "right"))


def test_what_python_writes_becomes_what_a_command_would_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    given: Any = Config(folder=Path("a/b"), rate=1, names=["x", Path("y")])  # type: ignore[arg-type]
    found = checks.checked(given)
    assert found == Config(folder="a/b", rate=1.0, names=("x", "y"))
    assert type(found.rate) is float
    assert checks.checked(Config(folder="~/a")).folder == "/home/somebody/a"
    assert checks.checked(found) == found


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"folder": flags.REQUIRED}, "folder is required: where to"),
        ({"folder": ""}, "folder is required"),
        ({"folder": 3}, "folder takes a value of type str, received 3"),
        ({"count": 0}, "count must be at least 1, received 0"),
        ({"count": 6}, "count must be at most 5, received 6"),
        ({"count": 2.0}, r"count takes a value of type int, received 2\.0"),
        ({"count": True}, "count takes a value of type int, received True"),
        ({"rate": -0.1}, r"rate must be at least 0\.0"),
        ({"rate": float("nan")}, "rate takes a finite number"),
        ({"rate": "1"}, "rate takes a value of type float"),
        ({"names": "abc"}, "names takes texts in a tuple, received 'abc'"),
        ({"names": (1,)}, "names takes texts in a tuple"),
        ({"loud": 1}, "loud takes a value of type bool"),
        ({"way": "up"}, "way must be one of left, right, received 'up'"),
    ],
)
def test_what_a_flag_refuses_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        checks.checked(Config(**{"folder": "f", **settings}))
