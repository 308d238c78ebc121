"""What a prediction that looks at no picture can reach."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Chance:
    """The losses of the best constant prediction, in nats, as training counts them.

    Attributes:
      loss: the mean.
      least: the mean loss of predictions that equal the smoothed targets; none is lower.
      deviation: the standard deviation of an example's loss.
      worst: the largest loss of an example.
    """

    loss: float
    least: float
    deviation: float
    worst: float


def chance_level(
    label_counts: Sequence[int],
    *,
    label_smoothing: float,
    class_weights: Sequence[float] = (),
    mixes: bool = False,
) -> Chance:
    """What a constant prediction can reach at best: the entropy of the smoothed, weighted classes.

    Args:
      label_counts: training examples of each class, of which one at least has some.
      label_smoothing: as in `objective.cross_entropies`.
      class_weights: as in `objective.example_weights`.
      mixes: whether pictures are mixed in pairs. That changes how often each class is asked for
        only beside class weights, which a mixture is given as a mixture: then the result is the
        least of what it can be, for any shares in the mixtures.
    """
    share = np.asarray(label_counts, np.float64) / sum(label_counts)
    weights = np.asarray(class_weights or np.ones(len(share)), np.float64)
    targets = np.eye(len(share)) * (1.0 - label_smoothing) + label_smoothing / len(share)
    total = float(share @ weights)
    # Of a mixture, a·one + (1 - a)·other, the weight times the target is quadratic in a. Its mean
    # over pairs lies between these two, and the entropy of what lies between is never the least.
    asked = [share * weights]
    if mixes:
        asked.append(0.5 * share * weights + 0.5 * share * total)
    found = [_of_constant(one @ targets / total, share, weights, targets, total) for one in asked]
    return min(found, key=lambda chance: chance.loss)


def _of_constant(
    constant: NDArray[np.float64],
    share: NDArray[np.float64],
    weights: NDArray[np.float64],
    targets: NDArray[np.float64],
    total: float,
) -> Chance:
    losses = weights * _cross(targets, constant)
    present = share > 0
    spread = share[present] @ np.square(losses[present] - share[present] @ losses[present])
    return Chance(
        loss=total * float(_cross(constant, constant)),
        least=total * float(_cross(targets[0], targets[0])),
        deviation=math.sqrt(spread),
        worst=float(losses[present].max()),
    )


def _cross(targets: NDArray[np.float64], probabilities: NDArray[np.float64]) -> Any:
    """-Σ target · log(probability) over the last axis, where 0 · log(0) is 0."""
    asked = targets > 0
    with np.errstate(divide="ignore"):
        logs = np.log(np.broadcast_to(probabilities, targets.shape))
    return -np.sum(np.where(asked, targets, 0.0) * np.where(asked, logs, 0.0), axis=-1)
