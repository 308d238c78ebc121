"""The part of the examples whose true class is among the k most probable ones."""

import numpy as np
from numpy.typing import NDArray

from catdog.errors import UsageError
from catdog.evaluators._evaluator import Evaluator


class TopK(Evaluator):
    """Top-k accuracy, 0…1; the first of equally probable classes counts as the more probable.

    Of C classes at most C - 1 count, because all of them always hold the true one: with two
    classes this is the accuracy.
    """

    mode = "max"
    worst_score = float("-inf")

    def __init__(self, *, k: int = 5) -> None:
        if k < 1:
            raise UsageError(f"k must be at least 1, received {k}")
        self._k = k

    def score(self, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
        """Top-k accuracy of probabilities [N, C] for labels [N]; nan for N = 0."""
        if not len(labels):
            return float("nan")
        classes = np.arange(probabilities.shape[1])
        true = probabilities[np.arange(len(labels)), labels][:, None]  # (N, 1)
        earlier = (probabilities == true) & (classes < labels[:, None])
        ranks = np.sum((probabilities > true) | earlier, axis=1)
        return float(np.mean(ranks < min(self._k, len(classes) - 1)))
