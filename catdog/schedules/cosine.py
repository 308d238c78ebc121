"""Half a cosine from the peak to zero, after a linear warm-up.

Source: Loshchilov, Hutter: SGDR, ICLR 2017 (without restarts); warm-up as in Goyal et al.:
Accurate, large minibatch SGD, 2017.
"""

import math

from catdog.errors import UsageError
from catdog.schedules._schedule import Schedule


class Cosine(Schedule):
    """Rises to the flag's rate over `warmup_epochs`, then falls to `final` times it.

    A warm-up longer than a fifth of the run is cut to that, so that short runs get one too.
    """

    def __init__(
        self,
        *,
        learning_rate: float,
        total_steps: int,
        steps_per_epoch: int,
        warmup_epochs: float = 1.0,
        final: float = 0.0,
    ) -> None:
        super().__init__(
            learning_rate=learning_rate, total_steps=total_steps, steps_per_epoch=steps_per_epoch
        )
        if warmup_epochs < 0:
            raise UsageError(f"warmup_epochs must not be negative, received {warmup_epochs}")
        if not 0 <= final <= 1:
            raise UsageError(f"final must be between 0 and 1, received {final}")
        self._warmup_steps = min(warmup_epochs * steps_per_epoch, total_steps / 5)
        self._final = final

    def rate(self, step: int) -> float:
        """The rate in the middle of step `step`: never 0 at the first or the last one."""
        place = step + 0.5
        if place < self._warmup_steps:
            return self.learning_rate * place / self._warmup_steps
        length = max(self.total_steps - self._warmup_steps, 1e-9)
        part = min((place - self._warmup_steps) / length, 1.0)
        height = 0.5 * (1.0 + math.cos(math.pi * part))
        return self.learning_rate * (self._final + (1.0 - self._final) * height)
