"""The accuracy if every class had as many examples as any other."""

import numpy as np
from numpy.typing import NDArray

from catdog.evaluators._evaluator import Evaluator


class BalancedAccuracy(Evaluator):
    """The mean recall of the classes that occur, 0…1; the first of equal probabilities counts."""

    mode = "max"
    worst_score = float("-inf")

    def score(self, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
        """Balanced accuracy of probabilities [N, C] for labels [N]; nan for N = 0."""
        if not len(labels):
            return float("nan")
        right = np.argmax(probabilities, axis=1) == labels
        examples = np.bincount(labels)
        hits = np.bincount(labels[right], minlength=len(examples))
        occurs = examples > 0
        return float(np.mean(hits[occurs] / examples[occurs]))
