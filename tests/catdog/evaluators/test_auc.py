"""AUC equals scikit-learn's, and a count of pairs; missing classes are left out of the mean."""

import numpy as np
import pytest
from sklearn import metrics

from catdog.evaluators.auc import Auc


def _one_against_the_rest(case, label: int) -> float | None:
    """scikit-learn's area for one class; None where it has no positive or no negative."""
    positive = case.labels == label
    if positive.all() or not positive.any():
        return None
    return float(metrics.roc_auc_score(positive, case.probabilities[:, label]))


def test_equals_scikit_learn_on_two_hundred_cases(cases) -> None:
    defined = 0
    for case in cases:
        asked = [1] if case.classes == 2 else range(case.classes)
        areas = [_one_against_the_rest(case, label) for label in asked]
        areas = [area for area in areas if area is not None]
        found = Auc().score(case.labels, case.probabilities)
        if areas:
            defined += 1
            assert found == pytest.approx(sum(areas) / len(areas), abs=1e-9)
        else:
            assert np.isnan(found)
    assert 150 < defined < 200


def test_equals_scikit_learns_macro_average_where_every_class_occurs(cases) -> None:
    full = [c for c in cases if c.classes > 2 and len(set(c.labels.tolist())) == c.classes]
    for case in full:
        expected = metrics.roc_auc_score(
            case.labels, case.probabilities.astype(np.float64), multi_class="ovr", average="macro"
        )
        assert Auc().score(case.labels, case.probabilities) == pytest.approx(expected, abs=1e-9)
    assert len(full) > 20


def test_equals_the_part_of_ordered_pairs_with_ties_counted_half() -> None:
    scores = np.array([0.1, 0.4, 0.4, 0.8, 0.4], np.float32)
    labels = np.array([0, 0, 1, 1, 1])
    # Pairs: (.4 > .1) 1, (.4 = .4) ½, (.8 > .1) 1, (.8 > .4) 1, again 1 and ½: 5 of 6.
    found = Auc().score(labels, np.stack([1 - scores, scores], axis=1))
    assert found == pytest.approx(5 / 6, abs=1e-15)


def test_the_same_probability_for_all_is_chance() -> None:
    assert Auc().score(np.array([0, 1, 1]), np.full((3, 2), 0.5, np.float32)) == 0.5


@pytest.mark.parametrize("label", [0, 1])
def test_labels_that_are_all_the_same_have_no_score(label: int) -> None:
    assert np.isnan(Auc().score(np.array([label] * 3), np.full((3, 2), 0.5, np.float32)))
