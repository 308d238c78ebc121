"""A rate that falls by a factor at given epochs, after an optional linear warm-up.

Source: three drops to a tenth, at epochs 30, 60 and 80 of 90, after a warm-up: Goyal et al.:
Accurate, large minibatch SGD, 2017. Runs of another length drop at the same parts of them.
"""

import itertools
import math

from catdog.errors import UsageError
from catdog.schedules._schedule import Schedule

# Of the whole run: epochs 30, 60 and 80 of 90.
_PARTS = (30 / 90, 60 / 90, 80 / 90)


def _epochs(text: str) -> list[float]:
    """The epochs that `30-60-80` names.

    Raises:
      UsageError: it is not numbers above 0, each larger than the one before it.
    """
    try:
        epochs = [float(part) for part in text.split("-")]
    except ValueError:
        epochs = [0.0]
    # The end keeps infinity out; nan is smaller than nothing.
    if not all(one < other for one, other in itertools.pairwise([0.0, *epochs, math.inf])):
        raise UsageError(
            "drops must be rising epochs above 0 with - between them, such as 30-60-80, "
            f"received {text!r}"
        )
    return epochs


class Step(Schedule):
    """Multiplies the rate by `factor` at each of the epochs `drops`, such as "30-60-80".

    Epochs may be fractions ("2.5-4"), count from 0, and are never reached where the run ends
    before them. Without `drops` it falls after 1/3, 2/3 and 8/9 of the run. A warm-up longer than
    a fifth of the run is cut to that.
    """

    def __init__(
        self,
        *,
        learning_rate: float,
        total_steps: int,
        steps_per_epoch: int,
        drops: str = "",
        factor: float = 0.1,
        warmup_epochs: float = 0.0,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate, total_steps=total_steps, steps_per_epoch=steps_per_epoch
        )
        if not 0 < factor < 1:
            raise UsageError(f"factor must be between 0 and 1, received {factor}")
        if not 0 <= warmup_epochs < math.inf:
            raise UsageError(f"warmup_epochs must be at least 0, received {warmup_epochs}")
        if drops:
            self._drops = [epoch * steps_per_epoch for epoch in _epochs(drops)]
        else:
            self._drops = [part * total_steps for part in _PARTS]
        self._factor = factor
        self._warmup_steps = min(warmup_epochs * steps_per_epoch, total_steps / 5)

    def rate(self, step: int) -> float:
        """The rate of the step; in the warm-up, that of its middle."""
        done = sum(step >= drop for drop in self._drops)
        rising = min((step + 0.5) / max(self._warmup_steps, 1e-9), 1.0)
        return float(self.learning_rate * self._factor**done * rising)
