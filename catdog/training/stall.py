"""Tells when a run does no better than a constant prediction, or far worse."""

import collections
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from catdog.errors import CatdogError
from catdog.training.chance import Chance

Record = dict[str, Any]

# A run has left chance when it has come this part of the way from there to the least loss that
# label smoothing allows. Of two classes that is 0.010 nats with a smoothing of 0.1.
_LEFT = 0.02
_DEVIATIONS = 3.0  # and when it is this many standard errors below chance
_FAR = 1.5  # times the loss at chance: constants that a run tries on its way stay below


class _Step(NamedTuple):
    step: int
    loss: float
    examples: float
    rate: float


class StallWatch:
    """Warns of a run that stays at chance or has diverged, and says when it has left.

    It looks back over the last `every_steps` steps whenever their number has passed a multiple of
    it: at the loss of all of them, and at that of their second half, since a run may leave chance
    in between. A batch whose loss explodes counts as twice the worst of a constant prediction. A
    window that ends while the learning rate rises for the first time is passed over.

    As long as nothing changes, it repeats itself at the 2nd, 4th, 8th, … window only. What it says
    depends on the steps alone: a resumed run that `recall`s the steps before goes on as the
    undisturbed one would. Without that, windows that began before are passed over.

    Args:
      chance: what a constant prediction can reach; where it cannot be beaten, as with one class
        alone, the watch is silent.
      every_steps: steps between two looks; 0 for none.
      diagnose: one sentence on what is wrong with the network as it is now.
      say: prints one line.
    """

    def __init__(
        self,
        chance: Chance,
        *,
        every_steps: int,
        diagnose: Callable[[], str],
        say: Callable[[str], None],
    ) -> None:
        self._chance = chance
        self._every = every_steps if chance.loss - chance.least > 1e-6 else 0
        self._diagnose = diagnose
        self._say = say
        self._window: collections.deque[_Step] = collections.deque(maxlen=self._every)
        self._excused = False
        self._state = ""  # or "at chance" or "diverged"
        self._looks = 0  # with this state in a row

    def recall(self, records: Iterable[Record]) -> None:
        """Takes the records of the steps before a resumed run's first, in order, in silence."""
        for record in records:
            self._take(record)

    def tell_steps(self, records: Sequence[Record]) -> None:
        """Takes the records of the steps since the last time, and speaks where there is need."""
        for record in records:
            line = self._take(record)
            if line:
                self._say(line if self._state != "at chance" else f"{line}; {self._diagnosis()}")

    def tell_epoch(self, history: Sequence[Record]) -> None:
        """Nothing: windows know no epochs."""

    def _take(self, record: Record) -> str:
        """What there is to say after this step, if anything."""
        if not self._every:
            return ""
        step = _Step(
            record["step"], record["cross_entropy"], record["examples"], record["learning_rate"]
        )
        if self._window and step.step != self._window[-1].step + 1:
            self._window.clear()
        rises = bool(self._window) and step.rate > self._window[-1].rate
        self._window.append(step)
        if len(self._window) < self._every or (step.step + 1) % self._every:
            return ""
        return self._look(rises)

    def _look(self, rises: bool) -> str:
        """Judges the window that is full now; what there is to say, if anything."""
        steps = list(self._window)
        state = self._judged(steps)
        if state and rises and not self._excused:
            self._excused = True
            return ""
        before = self._state
        self._looks = self._looks + 1 if state == before else 1
        self._state = state
        if (state == before and not state) or self._looks & (self._looks - 1):
            return ""
        half = _second_half(steps)
        most = math.inf if state == "diverged" else 2.0 * self._chance.worst
        numbers = (
            f"cross-entropy {_mean(half, most):.4f} in the steps {half[0].step} to "
            f"{half[-1].step}, chance is {self._chance.loss:.4f}"
        )
        if state == "at chance":
            rising = " (the learning rate still rises)" if rises else ""
            return (
                f"warning: for {len(steps)} steps no better than a constant prediction: "
                f"{numbers}{rising}"
            )
        if state == "diverged":
            return (
                f"warning: far worse than a constant prediction: {numbers}; training has "
                "diverged: lower --learning_rate, or --clip_norm"
            )
        return f"better than a constant prediction now: {numbers}"

    def _judged(self, steps: list[_Step]) -> str:
        """The state that these steps are in; "" is sound."""
        half = _second_half(steps)
        # Who is in trouble has to come twice as far, or else a run on the edge would chatter.
        far = 2.0 if self._state else 1.0
        if any(self._is_below(part, far) for part in (steps, half)):
            return ""
        error = _DEVIATIONS * self._chance.deviation / math.sqrt(_examples(half))
        loss = _mean(half, 2.0 * self._chance.worst)
        diverged = loss > max(_FAR * self._chance.loss, self._chance.loss + error)
        return "diverged" if diverged else "at chance"

    def _is_below(self, steps: list[_Step], far: float) -> bool:
        way = self._chance.loss - self._chance.least
        error = _DEVIATIONS * self._chance.deviation / math.sqrt(_examples(steps))
        # With few and unequal examples the error can be more than there is to win.
        margin = min(max(far * _LEFT * way, error), 0.5 * way)
        return _mean(steps, 2.0 * self._chance.worst) < self._chance.loss - margin

    def _diagnosis(self) -> str:
        try:
            return self._diagnose()
        except CatdogError:
            raise
        except Exception as error:  # a warning must not end a run, say for lack of memory
            reason = str(error).strip().partition("\n")[0]
            return f"the diagnosis failed ({type(error).__name__}: {reason})"


def _second_half(steps: list[_Step]) -> list[_Step]:
    return steps[len(steps) // 2 :]


def _examples(steps: list[_Step]) -> float:
    return sum(step.examples for step in steps)


def _mean(steps: list[_Step], most: float) -> float:
    """The mean loss of the steps' examples, where no step's loss counts more than `most`."""
    losses = math.fsum(min(step.loss, most) * step.examples for step in steps)
    return losses / _examples(steps)
