"""The part of the examples whose most probable class is the true one."""

import numpy as np
from numpy.typing import NDArray

from catdog.evaluators._evaluator import Evaluator


class Accuracy(Evaluator):
    """Correct predictions / predictions, 0…1; the first of equally probable classes counts."""

    mode = "max"
    worst_score = 0.0

    def score(self, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
        """Accuracy of probabilities [N, C] for labels [N]; nan for N = 0."""
        if not len(labels):
            return float("nan")
        return float(np.mean(np.argmax(probabilities, axis=1) == labels))
