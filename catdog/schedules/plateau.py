"""Lower the rate when the score has not improved for a while: the original's rule.

After an epoch without improvement `bad` grows by one. When it exceeds the patience, the rate is
multiplied by the factor, unless that changes it by 1e-8 or less, and `bad` is 0 again.
"""

from catdog.errors import UsageError
from catdog.schedules._schedule import Schedule

# A fall of the rate that is not larger than this is not made (the original's eps).
SMALLEST_FALL = 1e-8


class Plateau(Schedule):
    """Multiplies the rate by `factor` after more than `patience` epochs without improvement."""

    follows_score = True

    def __init__(
        self,
        *,
        learning_rate: float,
        total_steps: int,
        steps_per_epoch: int,
        patience: int = 30,
        factor: float = 0.1,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate, total_steps=total_steps, steps_per_epoch=steps_per_epoch
        )
        if patience < 0:
            raise UsageError(f"patience must not be negative, received {patience}")
        if not 0 < factor < 1:
            raise UsageError(f"factor must be between 0 and 1, received {factor}")
        self._patience = patience
        self._factor = factor
        self._rate = learning_rate
        self._bad_epochs = 0

    def rate(self, step: int) -> float:
        """The rate that the epochs so far have led to."""
        del step
        return self._rate

    def end_epoch(self, *, improved: bool) -> None:
        """Counts an epoch, and lowers the rate when the patience is exceeded."""
        self._bad_epochs = 0 if improved else self._bad_epochs + 1
        if self._bad_epochs > self._patience:
            lower = self._rate * self._factor
            if self._rate - lower > SMALLEST_FALL:
                self._rate = lower
            self._bad_epochs = 0

    def state(self) -> dict[str, float]:
        """The current rate and the number of bad epochs."""
        return {"rate": self._rate, "bad_epochs": self._bad_epochs}

    def restore(self, state: dict[str, float]) -> None:
        """Goes on from what `state` returned."""
        self._rate = float(state["rate"])
        self._bad_epochs = int(state["bad_epochs"])
