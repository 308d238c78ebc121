"""Chance is what gradient descent over constant logits reaches."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from catdog.training.chance import chance_level


def _losses(targets: NDArray[Any], weights: NDArray[Any], logits: NDArray[Any]) -> NDArray[Any]:
    """Each example's loss when all are predicted by the same logits."""
    log_p = logits - np.log(np.exp(logits).sum())
    return -weights * (targets @ log_p)


def _best_constant(targets: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """The losses by the best logits that gradient descent finds."""
    logits = np.zeros(targets.shape[1])
    wanted, total = weights @ targets / len(targets), weights.mean()
    for _ in range(4_000):
        p = np.exp(logits - logits.max())
        logits -= 0.5 * (total * p / p.sum() - wanted)
    return _losses(targets, weights, logits)


def _smoothed(one_hot: NDArray[Any], smoothing: float) -> NDArray[Any]:
    return (1 - smoothing) * one_hot + smoothing / one_hot.shape[1]


CASES = [
    ((5, 5), 0.0, ()),
    ((45, 5), 0.1, ()),
    ((45, 5), 0.0, ()),
    ((45, 5), 0.1, (0.5556, 5.0)),
    ((7, 2, 1), 0.05, (1.0, 3.0, 0.5)),
    ((6, 0, 3), 0.1, ()),
]


@pytest.mark.parametrize(("counts", "smoothing", "class_weights"), CASES)
def test_chance_is_what_the_best_constant_logits_reach(
    counts: tuple[int, ...], smoothing: float, class_weights: tuple[float, ...]
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    targets = _smoothed(np.eye(len(counts))[labels], smoothing)
    weights = np.array(class_weights or [1.0] * len(counts))[labels]
    losses = _best_constant(targets, weights)
    found = chance_level(counts, label_smoothing=smoothing, class_weights=class_weights)
    assert found.loss == pytest.approx(losses.mean(), abs=1e-6)
    assert found.deviation == pytest.approx(losses.std(), abs=2e-3)
    assert found.worst == pytest.approx(losses.max(), abs=2e-3)
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = -weights * np.nansum(targets * np.log(targets), axis=1)
    assert found.least == pytest.approx(exact.mean(), abs=1e-9)


def test_a_class_without_examples_is_no_part_of_chance() -> None:
    found = chance_level([6, 0, 6], label_smoothing=0.0)
    assert (found.loss, found.least) == pytest.approx((math.log(2), 0.0))
    assert found.worst == pytest.approx(math.log(2))


def _mixed_chance(share: float, class_weights: tuple[float, ...]) -> float:
    """Chance among pairs mixed with this share, of 45 and 5 examples, by gradient descent."""
    labels = np.repeat([0, 1], [45, 5])
    one, other = (np.eye(2)[rows.ravel()] for rows in np.meshgrid(labels, labels))
    mixed = share * one + (1 - share) * other
    weights = mixed @ np.array(class_weights or (1.0, 1.0))
    return float(_best_constant(_smoothed(mixed, 0.1), weights).mean())


@pytest.mark.parametrize("share", [0.5, 0.8, 0.99])
def test_mixing_leaves_chance_as_it_is_without_class_weights(share: float) -> None:
    found = chance_level([45, 5], label_smoothing=0.1, mixes=True)
    assert found.loss == pytest.approx(_mixed_chance(share, ()), abs=1e-6)
    assert found == chance_level([45, 5], label_smoothing=0.1)


@pytest.mark.parametrize("weights", [(0.5556, 5.0), (2.0, 1.0)])
def test_mixing_beside_class_weights_gives_the_least_that_chance_can_be(
    weights: tuple[float, ...],
) -> None:
    found = chance_level([45, 5], label_smoothing=0.1, class_weights=weights, mixes=True)
    true = [_mixed_chance(share, weights) for share in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)]
    assert found.loss == pytest.approx(min(true), abs=1e-6)
    assert np.ptp(true) > 1e-3, "or else the case would say nothing"
