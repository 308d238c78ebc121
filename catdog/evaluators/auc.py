"""The area under the receiver operating characteristic (ROC) curve."""

import numpy as np
from numpy.typing import NDArray

from catdog.evaluators._evaluator import Evaluator


def _area(positive: NDArray[np.bool_], scores: NDArray[np.float32]) -> float:
    """The part of the pairs (positive, negative) whose positive has the higher score; ties half.

    This is the area (Hanley, McNeil, Radiology 143, 1982), counted in integers; nan without pairs.
    """
    values, ranks = np.unique(scores, return_inverse=True)
    positives = np.bincount(ranks[positive], minlength=len(values))
    negatives = np.bincount(ranks[~positive], minlength=len(values))
    pairs = int(positives.sum()) * int(negatives.sum())
    below = np.cumsum(negatives) - negatives
    twice = int(np.sum(positives * (2 * below + negatives)))
    return twice / (2 * pairs) if pairs else float("nan")


class Auc(Evaluator):
    """Area under the ROC curve, 0…1; 0.5 is chance.

    With two classes it is that of class 1; with more, the mean over the classes of telling each
    from all others, over those classes that some but not all examples have.
    """

    mode = "max"
    worst_score = float("-inf")

    def score(self, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
        """AUC of probabilities [N, C] for labels [N]; nan where all labels are the same."""
        count = probabilities.shape[1]
        areas = [
            _area(labels == label, probabilities[:, label])
            for label in range(1 if count == 2 else 0, count)
            if 0 < np.count_nonzero(labels == label) < len(labels)
        ]
        return float(np.mean(areas)) if areas else float("nan")
