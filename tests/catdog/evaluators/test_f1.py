"""F1 equals scikit-learn's with each way of averaging."""

import numpy as np
import pytest
from sklearn import metrics

from catdog.errors import UsageError
from catdog.evaluators.f1 import F1


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_equals_scikit_learn_on_two_hundred_cases(cases, average: str) -> None:
    for case in cases:
        expected = metrics.f1_score(case.labels, case.predicted, average=average, zero_division=0)
        found = F1(average=average).score(case.labels, case.probabilities)
        assert found == pytest.approx(expected, abs=1e-9)


def test_binary_equals_scikit_learn_and_has_no_score_without_class_1(cases) -> None:
    undefined = 0
    for case in cases:
        if case.classes == 2:
            expected = metrics.f1_score(case.labels, case.predicted, zero_division=np.nan)
            found = F1(average="binary").score(case.labels, case.probabilities)
            assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)
            undefined += bool(np.isnan(found))
    assert 0 < undefined < 20


def test_the_default_does_not_prefer_one_class_and_binary_does() -> None:
    labels = np.array([0, 0, 0, 1])
    probabilities = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    swapped = 1 - labels, probabilities[:, ::-1]
    assert F1().score(*swapped) == F1().score(labels, probabilities)
    assert F1(average="binary").score(labels, probabilities) == pytest.approx(2 / 3)
    assert F1(average="binary").score(*swapped) == pytest.approx(0.8)


def test_an_unknown_average_and_a_binary_one_of_three_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="macro, weighted, binary, received 'micro'"):
        F1(average="micro")
    with pytest.raises(UsageError, match="needs 2 classes, received 3; choose macro or weighted"):
        F1(average="binary").score(np.array([0]), np.eye(3, dtype=np.float32)[:1])
