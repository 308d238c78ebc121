"""Top-k accuracy equals scikit-learn's, and on ties takes the first classes."""

import numpy as np
import pytest
from sklearn import metrics

from catdog.errors import UsageError
from catdog.evaluators.accuracy import Accuracy
from catdog.evaluators.top_k import TopK


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_equals_scikit_learn_on_two_hundred_cases(cases, k: int) -> None:
    several = [case for case in cases if case.classes > 2]
    for case in several:
        # Of equal ones scikit-learn takes the last class first: give it the classes reversed.
        expected = metrics.top_k_accuracy_score(
            case.classes - 1 - case.labels,
            case.probabilities[:, ::-1],
            k=min(k, case.classes - 1),
            labels=range(case.classes),
        )
        found = TopK(k=k).score(case.labels, case.probabilities)
        assert found == pytest.approx(expected, abs=1e-12)
    assert len(several) == 100


@pytest.mark.parametrize("k", [1, 2, 5])
def test_of_two_classes_it_is_the_accuracy_with_any_k(cases, k: int) -> None:
    for case in cases:
        if case.classes == 2:
            expected = metrics.accuracy_score(case.labels, case.predicted)
            assert TopK(k=k).score(case.labels, case.probabilities) == pytest.approx(expected)


def test_with_k_1_it_is_the_accuracy_also_where_all_classes_are_equal(cases) -> None:
    for case in cases:
        assert TopK(k=1).score(case.labels, case.probabilities) == Accuracy().score(
            case.labels, case.probabilities
        )


def test_of_equally_probable_classes_the_first_k_count() -> None:
    quarters = np.full((4, 4), 0.25, np.float32)
    for k, expected in ((1, 0.25), (2, 0.5), (3, 0.75), (4, 0.75), (100, 0.75)):
        assert TopK(k=k).score(np.arange(4), quarters) == expected


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_1_is_refused(k: int) -> None:
    with pytest.raises(UsageError, match=f"k must be at least 1, received {k}"):
        TopK(k=k)
