"""How long the fault tests are, and where their random moments come from."""

import os
import random
import sys

import pytest

SEED, LONG = "CATDOG_FAULT_SEED", "CATDOG_FAULTS"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files first that take minutes: else one of them may run alone at the end."""

    def is_short(item: pytest.Item) -> tuple[bool, bool]:
        runs_commands = item.path.parent == item.config.rootpath / "tests"
        return item.get_closest_marker("faults") is None, not runs_commands

    items.sort(key=is_short)


@pytest.fixture(scope="session")
def rng() -> random.Random:
    """The source of every random moment; its seed is printed, and the variable sets it."""
    seed = os.environ.get(SEED) or str(random.SystemRandom().randrange(1 << 32))
    print(f"\n{SEED}={seed}", file=sys.__stderr__)
    return random.Random(seed)


@pytest.fixture(scope="session")
def is_long() -> bool:
    """Whether this is the long form."""
    return os.environ.get(LONG) == "long"
