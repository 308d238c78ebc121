"""How far the probabilities of the predicted classes are from the part of them that is right.

Source: expected calibration error (ECE) of Guo et al.: On calibration of modern neural networks,
ICML 2017, equation 3, after Naeini et al., AAAI 2015.
"""

import numpy as np
from numpy.typing import NDArray

from catdog.errors import UsageError
from catdog.evaluators._evaluator import Evaluator


class CalibrationError(Evaluator):
    """Expected calibration error over `bins` equally wide bins of the top probability, 0…1.

    A bin holds its upper edge and not its lower one. The error is the mean, over the examples, of
    |accuracy - mean top probability| of the example's bin. It does not say how many predictions
    are right: one that always names the classes' frequencies is perfectly calibrated.
    """

    mode = "min"
    worst_score = float("inf")

    def __init__(self, *, bins: int = 15) -> None:
        if bins < 1:
            raise UsageError(f"bins must be at least 1, received {bins}")
        self._inner_edges = np.linspace(0.0, 1.0, bins + 1)[1:-1]

    def score(self, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
        """Calibration error of probabilities [N, C] for labels [N]; nan for N = 0."""
        if not len(labels):
            return float("nan")
        predicted = np.argmax(probabilities, axis=1)
        confidences = np.max(probabilities, axis=1).astype(np.float64)
        places = np.searchsorted(self._inner_edges, confidences, side="left")
        # |accuracy - confidence| of a bin times its examples is the size of this sum.
        gaps = np.bincount(places, weights=(predicted == labels) - confidences)
        return float(np.sum(np.abs(gaps)) / len(labels))
