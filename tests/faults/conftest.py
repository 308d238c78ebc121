"""How long the fault tests are, and where their random moments come from."""

import os
import random
import sys

import pytest

SEED, LONG = "CATDOG_FAULT_SEED", "CATDOG_FAULTS"


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
