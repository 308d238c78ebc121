"""The mean negative log probability of the true class."""

import numpy as np
from numpy.typing import NDArray

from catdog.evaluators._evaluator import Evaluator


class LogLoss(Evaluator):
    """Cross-entropy in nats, 0…; probabilities are clipped to 1e-7 … 1."""

    mode = "min"
    worst_score = float("inf")

    def score(self, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
        """Log loss of probabilities [N, C] for labels [N]; nan for N = 0."""
        if not len(labels):
            return float("nan")
        true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
        return float(-np.mean(np.log(np.clip(true, 1e-7, 1.0))))
