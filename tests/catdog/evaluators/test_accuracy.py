"""Accuracy equals scikit-learn's, and on ties takes the first class."""

import numpy as np
import pytest
from sklearn import metrics

from catdog.evaluators.accuracy import Accuracy


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_equals_scikit_learn_on_random_cases(classes: int) -> None:
    rng = np.random.default_rng(classes)
    for _ in range(50):
        count = int(rng.integers(1, 200))
        labels = rng.integers(0, classes, count)
        probabilities = rng.dirichlet(np.ones(classes), count).astype(np.float32)
        expected = metrics.accuracy_score(labels, probabilities.argmax(axis=1))
        assert Accuracy().score(labels, probabilities) == pytest.approx(expected, abs=1e-12)


def test_of_equally_probable_classes_the_first_counts() -> None:
    halves = np.full((2, 2), 0.5, np.float32)
    assert Accuracy().score(np.array([0, 0]), halves) == 1.0
    assert Accuracy().score(np.array([1, 0]), halves) == 0.5
