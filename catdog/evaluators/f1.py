"""F1, the harmonic mean of precision and recall."""

import numpy as np
from numpy.typing import NDArray

from catdog.errors import UsageError
from catdog.evaluators._evaluator import Evaluator

_AVERAGES = ("macro", "weighted", "binary")


class F1(Evaluator):
    """F1 of the most probable class, 0…1; the first of equally probable classes counts.

    `average` says how it becomes one number. "macro": the mean over the classes that occur among
    labels or predictions, so that swapping cats and dogs changes nothing. "weighted": each class
    weighs as many as its examples. "binary": that of class 1 alone, for two classes.
    """

    mode = "max"
    worst_score = float("-inf")

    def __init__(self, *, average: str = "macro") -> None:
        if average not in _AVERAGES:
            raise UsageError(f"average must be one of {', '.join(_AVERAGES)}, received {average!r}")
        self._average = average

    def score(self, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
        """F1 of probabilities [N, C] for labels [N].

        It is nan for N = 0, and with "binary" where nothing is or is called class 1.

        Raises:
          UsageError: "binary", and C is not 2.
        """
        count = probabilities.shape[1]
        if self._average == "binary" and count != 2:
            raise UsageError(
                f"average=binary needs 2 classes, received {count}; choose macro or weighted"
            )
        predicted = np.argmax(probabilities, axis=1)
        examples = np.bincount(labels, minlength=count)
        called = np.bincount(predicted, minlength=count)
        hits = np.bincount(labels[labels == predicted], minlength=count)
        occurs = examples + called > 0
        weights = {
            "macro": occurs.astype(np.int64),
            "weighted": examples,
            "binary": occurs * (np.arange(count) == 1),
        }[self._average]
        if not weights.any():
            return float("nan")
        # 2 hits / (2 hits + false positives + false negatives); 0 / 1 where a class is absent.
        scores = 2 * hits / np.maximum(examples + called, 1)
        return float(np.average(scores, weights=weights))
