"""How far a run has come: what a checkpoint carries beside the variables."""

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catdog.training.steps import StepResults

Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Extent:
    """How long a run is.

    Attributes:
      examples: of the training split.
      steps_per_epoch: batches that hold each of them once.
      total_steps: of the whole run; the last epoch may be cut short.
    """

    examples: int
    steps_per_epoch: int
    total_steps: int

    @property
    def epochs(self) -> int:
        """Epochs, the last one perhaps cut short."""
        return -(-self.total_steps // self.steps_per_epoch)


@dataclasses.dataclass
class EpochSums:
    """What the steps of the running epoch add up to.

    Nothing in it but the times depends on how the steps were grouped into calls, or on where the
    run was interrupted.

    Attributes:
      steps: how many steps.
      cross_entropy: the sum over their examples, exact, as a fraction such as "3/8".
      correct: examples whose most probable class was right.
      examples: examples without padding.
      first_rate, last_rate: learning rates of the first and the last step.
      l2: weight_decay · Σ w²/2 after the last step.
      seconds: that the steps took.
      waited: seconds of those that they waited for data; None where nobody looked.
    """

    steps: int = 0
    cross_entropy: str = "0"
    correct: float = 0.0
    examples: float = 0.0
    first_rate: float = 0.0
    last_rate: float = 0.0
    l2: float = 0.0
    seconds: float = 0.0
    waited: float | None = 0.0

    def add(self, result: StepResults, rates: NDArray[np.float32], seconds: float) -> None:
        """Adds the steps of one call."""
        total = Fraction(self.cross_entropy)
        for mean, count in zip(result.cross_entropies, result.examples, strict=True):
            # The product of two float32 is exact in float64, and sums of fractions are.
            total += Fraction(float(mean) * float(count))
        if not self.steps:
            self.first_rate = float(rates[0])
        self.steps += len(rates)
        self.cross_entropy = str(total)
        self.correct += float(result.correct.sum())
        self.examples += float(result.examples.sum())
        self.last_rate = float(rates[-1])
        self.l2 = result.l2
        self.seconds += seconds
        if self.waited is not None:
            self.waited = None if result.waited is None else self.waited + result.waited

    def record(self, epoch: int) -> Record:
        """The line of the epoch, as in summary.csv; epochs count from 0 here and from 1 there."""
        examples = max(self.examples, 1.0)
        waited = None if self.waited is None else round(100 * self.waited / self.seconds, 1)
        return {
            "epoch": epoch + 1,
            "learning_rate": self.first_rate,
            "last_learning_rate": self.last_rate,
            "train_cross_entropy": float(Fraction(self.cross_entropy)) / examples,
            "train_accuracy": self.correct / examples,
            "l2": self.l2,
            "examples": int(self.examples),
            "seconds": round(self.seconds, 2),
            "pictures_per_second": round(self.examples / self.seconds, 1),
            "data_wait_percent": waited,
        }


@dataclasses.dataclass
class Progress:
    """How far a run has come; saved with every checkpoint.

    Attributes:
      epoch: epochs done, their validation included.
      step: steps done in the whole run.
      best_score: the best validation score so far; None before the first.
      best_epoch: the epoch that had it, from 1; 0 before the first.
      schedule: the schedule's state.
      history: one record for each epoch done.
      sums: of the running epoch.
      bad_ids: the examples that could not be read so far, by their number in the split.
    """

    epoch: int = 0
    step: int = 0
    best_score: float | None = None
    best_epoch: int = 0
    schedule: dict[str, float] = dataclasses.field(default_factory=dict)
    history: list[Record] = dataclasses.field(default_factory=list)
    sums: EpochSums = dataclasses.field(default_factory=EpochSums)
    bad_ids: list[int] = dataclasses.field(default_factory=list)


def from_saved(saved: Record, extent: Extent) -> Progress:
    """The progress of a checkpoint, as `dataclasses.asdict` gave it.

    One of version 1 was only saved after whole epochs and knows no step.
    """
    step = min(saved["epoch"] * extent.steps_per_epoch, extent.total_steps)
    complete = {"step": step, "sums": {}, **saved}
    return Progress(**{**complete, "sums": EpochSums(**complete["sums"])})
