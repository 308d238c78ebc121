"""The contract of the room: a score, which way is better, and by how much."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# A score counts as better when it beats the best by this part of it (the original's rule).
RELATIVE_THRESHOLD = 1e-4


class Evaluator:
    """One score of a set of predictions.

    Attributes:
      mode: "max" when a larger score is better, else "min".
      worst_score: what the best score is before the first evaluation.
    """

    mode = "max"
    worst_score = 0.0

    def score(self, labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
        """The score of probabilities [N, C] (rows sum to 1) for the classes labels [N]."""
        raise NotImplementedError

    def is_better(self, current: float, best: float) -> bool:
        """Whether `current` beats `best` by more than the relative threshold."""
        margin: Any = RELATIVE_THRESHOLD * abs(best) if np.isfinite(best) else 0.0
        if self.mode == "max":
            return bool(current > best + margin)
        return bool(current < best - margin)
