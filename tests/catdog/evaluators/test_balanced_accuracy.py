"""Balanced accuracy equals scikit-learn's mean recall."""

import numpy as np
import pytest
from sklearn import metrics

from catdog.evaluators.balanced_accuracy import BalancedAccuracy


def test_equals_scikit_learn_on_two_hundred_cases(cases) -> None:
    for case in cases:
        present = sorted(set(case.labels.tolist()))
        expected = metrics.recall_score(
            case.labels, case.predicted, labels=present, average="macro"
        )
        found = BalancedAccuracy().score(case.labels, case.probabilities)
        assert found == pytest.approx(expected, abs=1e-9)
        if set(case.predicted.tolist()) <= set(present) and len(present) > 1:
            own = metrics.balanced_accuracy_score(case.labels, case.predicted)
            assert found == pytest.approx(own, abs=1e-9)


def test_always_naming_the_largest_class_is_worth_no_more_than_chance() -> None:
    labels = np.array([0] * 9 + [1])
    always_0 = np.tile(np.array([[0.9, 0.1]], np.float32), (10, 1))
    assert BalancedAccuracy().score(labels, always_0) == 0.5
