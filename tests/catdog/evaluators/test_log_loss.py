"""Log loss equals scikit-learn's, and a certain mistake costs a finite sum."""

import math

import numpy as np
import pytest
from sklearn import metrics

from catdog.evaluators.log_loss import LogLoss


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_equals_scikit_learn_on_random_cases(classes: int) -> None:
    rng = np.random.default_rng(classes)
    for _ in range(50):
        count = int(rng.integers(1, 200))
        labels = rng.integers(0, classes, count)
        probabilities = rng.dirichlet(np.ones(classes), count)
        probabilities = np.maximum(probabilities, 1e-6)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        expected = metrics.log_loss(labels, probabilities, labels=range(classes))
        found = LogLoss().score(labels, probabilities)
        assert found == pytest.approx(expected, abs=1e-9)
        single = LogLoss().score(labels, probabilities.astype(np.float32))
        assert single == pytest.approx(expected, abs=1e-5)


def test_probability_zero_for_the_true_class_costs_what_1e_7_costs() -> None:
    wrong = np.array([[1.0, 0.0]], np.float32)
    assert LogLoss().score(np.array([1]), wrong) == pytest.approx(-math.log(1e-7))
    assert LogLoss().score(np.array([0]), wrong) == 0.0
