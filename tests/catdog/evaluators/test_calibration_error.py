"""Calibration error equals the definition in plain loops and scikit-learn's reliability curve."""

import itertools

import numpy as np
import pytest
from sklearn import calibration

from catdog.errors import UsageError
from catdog.evaluators.calibration_error import CalibrationError


def _by_loops(case, bins: int) -> float:
    """The sum over the bins (lower, upper] of |B| / N · |accuracy - confidence|."""
    total = 0.0
    edges = list(np.linspace(0, 1, bins + 1))
    edges[-1] = 1.001  # a float32 sum may end a little above 1
    for lower, upper in itertools.pairwise(edges):
        right, confidences = [], []
        for label, row, predicted in zip(
            case.labels, case.probabilities, case.predicted, strict=True
        ):
            if lower < float(max(row)) <= upper:
                right.append(float(predicted == label))
                confidences.append(float(max(row)))
        if right:
            gap = abs(sum(right) / len(right) - sum(confidences) / len(confidences))
            total += len(right) / len(case.labels) * gap
    return total


@pytest.mark.parametrize("bins", [15, 4])
def test_equals_the_definition_on_random_cases(cases, bins: int) -> None:
    for case in cases[::4] if bins == 15 else cases[1::4]:
        found = CalibrationError(bins=bins).score(case.labels, case.probabilities)
        assert found == pytest.approx(_by_loops(case, bins), abs=1e-9)


@pytest.mark.parametrize("bins", [15, 10, 4, 1])
def test_equals_scikit_learns_curve_on_two_hundred_cases(cases, bins: int) -> None:
    edges = np.linspace(0, 1, bins + 1)
    for case in cases:
        right = case.predicted == case.labels
        confidences = np.minimum(case.probabilities.max(axis=1).astype(np.float64), 1.0)
        true, mean = calibration.calibration_curve(right, confidences, n_bins=bins, pos_label=True)
        sizes = np.histogram(-confidences, -edges[::-1])[0][::-1]  # a bin holds its upper edge
        weights = sizes[sizes > 0] / len(right)
        found = CalibrationError(bins=bins).score(case.labels, case.probabilities)
        assert found == pytest.approx(float(np.sum(weights * np.abs(true - mean))), abs=1e-9)


def test_hand_computed_values() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    first = np.array([0.75, 0.75, 0.75, 0.75, 0.0], np.float32)
    probabilities = np.stack([first, 1 - first], axis=1)
    # Three of four are right at 0.75, and the last one is right and certain.
    assert CalibrationError().score(labels, probabilities) == pytest.approx(0.0, abs=1e-12)
    # All five wrong: four by 0.75, one by 1.
    assert CalibrationError().score(np.array([1, 1, 1, 1, 0]), probabilities) == pytest.approx(
        (4 * 0.75 + 1) / 5
    )


def test_gaps_of_opposite_signs_cancel_inside_a_bin_only() -> None:
    labels = np.array([0, 1, 0, 0])
    probabilities = np.array([[0.625, 0.375]] * 2 + [[0.875, 0.125]] * 2, np.float32)
    # Accuracies 0.5 and 1 at 0.625 and 0.875.
    assert CalibrationError(bins=4).score(labels, probabilities) == pytest.approx(0.125)
    assert CalibrationError(bins=1).score(labels, probabilities) == pytest.approx(0.0)


@pytest.mark.parametrize("bins", [0, -3])
def test_fewer_bins_than_one_are_refused(bins: int) -> None:
    with pytest.raises(UsageError, match=f"bins must be at least 1, received {bins}"):
        CalibrationError(bins=bins)
