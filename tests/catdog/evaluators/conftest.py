"""Two hundred random sets of predictions, as unlike as they can be: what every score is put to."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Case:
    """labels int64 [N] and probabilities float32 [N, C] whose rows sum to 1."""

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def classes(self) -> int:
        """C."""
        return self.probabilities.shape[1]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The first of the most probable classes of each example, by a loop."""
        return np.array([list(row).index(max(row)) for row in self.probabilities], np.int64)


def _case(number: int) -> Case:
    """2 to 12 classes; every second case has ties, every third lacks a class, some one example."""
    rng = np.random.default_rng(number)
    classes = 2 if number % 4 < 2 else int(rng.integers(3, 13))
    count = 1 if number % 25 == 0 else int(rng.integers(2, 150))
    probabilities = rng.dirichlet(np.full(classes, rng.choice([0.2, 1.0, 5.0])), count)
    if number % 2:
        parts = rng.multinomial(4, probabilities)
        probabilities = parts / parts.sum(axis=1, keepdims=True)
    # Labels follow the probabilities, so that scores are well above chance, or the opposite.
    drawn = np.array([rng.choice(classes, p=row) for row in probabilities])
    labels = drawn if number % 5 else (drawn + 1) % classes
    if number % 3 == 0:
        labels = np.where(labels == classes - 1, 0, labels)
    return Case(labels.astype(np.int64), probabilities.astype(np.float32))


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    """The two hundred of them."""
    return [_case(number) for number in range(200)]
