"""One rise to the peak and one fall far below the start.

Source: Smith, Topin: Super-convergence: very fast training of neural networks using large learning
rates, 2018. Of their policy this is the learning rate; the momentum stays as it is. The fall goes
on to the end, without a separate last phase. Places of a run are the middles of its steps.
"""

import math

from catdog.errors import UsageError
from catdog.schedules._schedule import Schedule

_FALLS = ("cosine", "linear")


class OneCycle(Schedule):
    """Up from rate / `div` to the flag's rate over the part `up` of the run, then down.

    The end is rate / `final_div`; `fall` is the form of the way there, cosine or linear.
    """

    def __init__(
        self,
        *,
        learning_rate: float,
        total_steps: int,
        steps_per_epoch: int,
        div: float = 25.0,
        final_div: float = 10_000.0,
        up: float = 0.3,
        fall: str = "cosine",
    ) -> None:
        super().__init__(
            learning_rate=learning_rate, total_steps=total_steps, steps_per_epoch=steps_per_epoch
        )
        for name, value in (("div", div), ("final_div", final_div)):
            if not 1 <= value < math.inf:
                raise UsageError(f"{name} must be at least 1 and finite, received {value}")
        if not 0 < up < 1:
            raise UsageError(f"up must be above 0 and below 1, received {up}")
        if fall not in _FALLS:
            raise UsageError(f"fall must be one of {', '.join(_FALLS)}, received {fall!r}")
        self._start = 1.0 / div
        self._end = 1.0 / final_div
        self._up = up
        self._fall = fall

    def rate(self, step: int) -> float:
        """The rate in the middle of the step; after the last step that of the end."""
        place = min((step + 0.5) / self.total_steps, 1.0)
        if place < self._up:
            height, foot = place / self._up, self._start
        else:
            left = (1.0 - place) / (1.0 - self._up)
            height = left if self._fall == "linear" else 0.5 * (1.0 - math.cos(math.pi * left))
            foot = self._end
        return self.learning_rate * (foot + (1.0 - foot) * height)
