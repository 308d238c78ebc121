"""The outer loop of training: epochs on the host, steps on the devices."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catdog import cli
from catdog.errors import NumericError, UsageError
from catdog.evaluators._evaluator import Evaluator
from catdog.schedules._schedule import Schedule
from catdog.signals import Signals
from catdog.training.predict import Predictions
from catdog.training.progress import Extent, Progress, Record
from catdog.training.saver import Saver, Snapshot
from catdog.training.steps import StepResults, TrainSteps


@dataclasses.dataclass(frozen=True)
class SaveRules:
    """When the full state is saved, beside the end of each epoch.

    Attributes:
      every_minutes: 0 for never; while one save is being written no other begins.
      every_steps: 0 for never.
      call_seconds: how long a call of several steps should last at most, since a request to stop
        is only seen between two calls.
    """

    every_minutes: float = 0.0
    every_steps: int = 0
    call_seconds: float = math.inf


@dataclasses.dataclass(frozen=True)
class Listeners:
    """What is told how a run goes.

    Attributes:
      on_steps: gets one record for each step, after each call of several steps.
      on_epoch: gets the records of all epochs, after each.
      on_losses: gets the number of an epoch, from 1, and the loss of each example in it.
      on_bad_records: gets the numbers of all examples so far that could not be read, when there
        are more than before; may raise to end the run.
      on_not_finite: gets the step, its rate and {example: loss} when a loss is NaN or infinite, or
        the weights are after it.
      before_save: makes safe what the others wrote down.
    """

    on_steps: Callable[[list[Record]], None]
    on_epoch: Callable[[list[Record]], None]
    on_losses: Callable[[int, NDArray[np.float16]], None] = lambda epoch, losses: None
    on_bad_records: Callable[[list[int]], None] = lambda ids: None
    on_not_finite: Callable[[int, float, dict[int, float]], None] = lambda step, rate, losses: None
    before_save: Callable[[], None] = lambda: None


@dataclasses.dataclass
class Loop:
    """A run's parts, and `train` to run them.

    Attributes:
      steps: takes training steps.
      make_iterator: batches from a given step of the run on, to the next of `new_stages` at least.
      validate: the scores after an epoch, {name: score}, or {} without validation data; the
        evaluator's own stands under `score_name`. It calls what it is given now and then.
      evaluator: which scores are better.
      score_name: the key of the score that the schedule and "best" follow.
      schedule: the learning rates.
      model_dir: where checkpoints go.
      about: what every checkpoint carries beside the progress.
      extent: how long the run is.
      steps_per_call: steps between two returns to Python, at most.
      new_stages: the epochs, from 0, that another iterator is made for.
      is_validated: whether there is a validation after this epoch, from 0; there must be one after
        the last, or after none.
    """

    steps: TrainSteps
    make_iterator: Callable[[int], Iterator[Any]]
    validate: Callable[[Callable[[], None]], dict[str, float]]
    evaluator: Evaluator
    score_name: str
    schedule: Schedule
    model_dir: Path
    about: Record
    extent: Extent
    steps_per_call: int
    listeners: Listeners
    rules: SaveRules = SaveRules()
    new_stages: frozenset[int] = frozenset()
    is_validated: Callable[[int], bool] = lambda epoch: True
    signals: Signals = dataclasses.field(default_factory=Signals)

    def __post_init__(self) -> None:
        self._saver = Saver(self.model_dir / "checkpoints")
        self._saved = (0, 0)  # steps and epochs done
        self._saved_at = time.monotonic()
        self._next_count = 1

    def train(self, progress: Progress, losses: NDArray[np.float16] | None = None) -> Progress:
        """Trains from `progress`, which it changes, to the last epoch.

        The full state is saved after each epoch and as the rules say. Validation and the best
        checkpoint are of the averaged weights where there are any.

        Args:
          progress: where to start; `steps.variables` are as they were then.
          losses: of each example in the running epoch as far as it has come.

        Raises:
          NumericError: a loss or a weight is NaN or infinite; none such is ever saved.
          Preempted, KeyboardInterrupt: a signal came; the state is saved.
          OSError, tf.errors.OpError: the disk refused, also where a signal came.
          UsageError: the validation score has no value.
        """
        if progress.schedule:
            self.schedule.restore(progress.schedule)
        if progress.history:
            # What was written after the checkpoint may be missing.
            self.listeners.on_epoch(progress.history)
        self._losses = (
            np.full(self.extent.examples, np.nan, np.float16) if losses is None else losses
        )
        self._saved = (progress.step, progress.epoch)
        with self.signals.held() as check, self._saver.opened():
            try:
                iterator = self.make_iterator(progress.step)
                while progress.step < self.extent.total_steps or progress.sums.steps:
                    self._train_epoch(progress, iterator, check)
                    self._end_epoch(progress, check)
                    if progress.epoch in self.new_stages:
                        iterator = self.make_iterator(progress.step)
            except KeyboardInterrupt:
                self._save_last(progress)
                self._saver.wait()  # what is not on the disk is not saved, and no reason to go
                cli.say(f"saved after step {progress.step} of {self.extent.total_steps}")
                raise
        return progress

    def _train_epoch(
        self, progress: Progress, iterator: Iterator[Any], check: Callable[[], None]
    ) -> None:
        last = min((progress.epoch + 1) * self.extent.steps_per_epoch, self.extent.total_steps)
        while progress.step < last:
            check()
            started = time.monotonic()
            first, count = progress.step, min(self._next_count, last - progress.step)
            rates = np.array([self.schedule.rate(first + i) for i in range(count)], np.float32)
            result = self.steps(iterator, rates, first)
            seconds = time.monotonic() - started
            self._check_finite(result, rates, first)
            self._pace(count, seconds)
            progress.step += count
            progress.sums.add(result, rates, seconds)
            real = result.ids >= 0
            self._losses[result.ids[real]] = result.losses[real]
            self.listeners.on_steps(_step_records(result, rates, first, progress.epoch))
            self._tell_bad_records(progress, result)
            self._save_if_due(progress)

    def _pace(self, count: int, seconds: float) -> None:
        """Longer calls while they stay short enough, so that a signal never waits for long."""
        if seconds > self.rules.call_seconds:
            self._next_count = max(1, count // 2)
        elif seconds < self.rules.call_seconds / 2:
            self._next_count = max(self._next_count, min(2 * count, self.steps_per_call))

    def _check_finite(self, result: StepResults, rates: NDArray[np.float32], first: int) -> None:
        wrong = np.flatnonzero(~np.isfinite(result.cross_entropies))
        if len(wrong):
            place = int(wrong[0])
            losses, ids = result.losses[place], result.ids[place]
            # A loss may also be too large to be summed up; then all of the step's are told.
            chosen = ~np.isfinite(losses) if not np.isfinite(losses).all() else ids >= 0
            found = zip(ids[chosen].tolist(), losses[chosen].tolist(), strict=True)
            step, rate = first + place, float(rates[place])
            self.listeners.on_not_finite(step, rate, dict(found))
            raise NumericError(
                f"the loss of step {step} is {result.cross_entropies[place]} at a learning rate "
                f"of {rate:.3g}; train again with a lower --learning_rate, into a new --model_dir"
            )
        if not math.isfinite(result.l2):
            ids, losses = result.ids[-1], result.losses[-1]
            found = zip(ids[ids >= 0].tolist(), losses[ids >= 0].tolist(), strict=True)
            self.listeners.on_not_finite(first + len(rates) - 1, float(rates[-1]), dict(found))
            raise NumericError(
                f"the weights are no longer finite after step {first + len(rates) - 1}; "
                "train again with a lower --learning_rate, into a new --model_dir"
            )

    def _tell_bad_records(self, progress: Progress, result: StepResults) -> None:
        """The pipeline marks example number i that it could not read with the id -2 - i."""
        found = {-2 - number for number in result.ids[result.ids <= -2].tolist()}
        if not found <= set(progress.bad_ids):
            progress.bad_ids = sorted(found.union(progress.bad_ids))
            self.listeners.on_bad_records(progress.bad_ids)

    def _end_epoch(self, progress: Progress, check: Callable[[], None]) -> None:
        """Validates, judges, tells the schedule, saves last and, where it is one, best."""
        record = progress.sums.record(progress.epoch)
        started = time.monotonic()

        def between_batches() -> None:
            check()
            self._saver.check()

        scores = {}
        if is_due := self.is_validated(progress.epoch):
            with self.steps.averaged():
                scores = self.validate(between_batches)
        record |= {f"validation_{name}": score for name, score in scores.items()}
        record["validation_seconds"] = round(time.monotonic() - started, 2)
        score = scores.get(self.score_name)
        if score is not None and math.isnan(score):
            raise UsageError(
                f"--evaluator={self.score_name} has no value for these validation examples (do "
                "they have every class?); choose another evaluator or split"
            )
        best = self.evaluator.worst_score if progress.best_score is None else progress.best_score
        improved = is_due and (score is None or self.evaluator.is_better(score, best))
        self.schedule.end_epoch(improved=improved)
        # The first epoch is the best so far even where its score does not beat the worst one.
        is_best = improved or progress.best_epoch == 0
        record["is_best"] = is_best
        progress.epoch += 1
        progress.schedule = self.schedule.state()
        progress.history = [*progress.history, record]
        if is_best:
            progress.best_score, progress.best_epoch = score, progress.epoch
        self.listeners.on_losses(progress.epoch, self._losses)
        self._losses = np.full_like(self._losses, np.nan)
        progress.sums = type(progress.sums)()
        self._save_last(progress, *self._best(progress, is_best=is_best))
        self.listeners.on_epoch(progress.history)

    def _about(self, progress: Progress) -> Record:
        return self.about | {"progress": dataclasses.asdict(progress)}

    def _best(self, progress: Progress, *, is_best: bool) -> list[Snapshot]:
        if not is_best:
            return []
        names = [name for name in self.steps.variables if name.startswith("weights/")]
        with self.steps.averaged():
            weights = {name: self.steps.variables[name] for name in names}
            return [Snapshot("best", progress.epoch, weights, self._about(progress))]

    def _save_if_due(self, progress: Progress) -> None:
        self._saver.check()
        waited = time.monotonic() - self._saved_at
        by_time = 0 < self.rules.every_minutes <= waited / 60 and not self._saver.busy
        by_steps = 0 < self.rules.every_steps <= progress.step - self._saved[0]
        if by_time or by_steps or self.signals.save_asked:
            self._save_last(progress)

    def _save_last(self, progress: Progress, *before: Snapshot) -> None:
        """Begins to save the full state, after the snapshots `before`, unless it just was."""
        self.signals.save_asked = False
        if self._saved == (progress.step, progress.epoch):
            return
        self.listeners.before_save()
        arrays = {"losses": self._losses}
        last = Snapshot("last", progress.step, self.steps.variables, self._about(progress), arrays)
        self._saver.start([*before, last])
        self._saved, self._saved_at = (progress.step, progress.epoch), time.monotonic()


def _step_records(
    result: StepResults, rates: NDArray[np.float32], first: int, epoch: int
) -> list[Record]:
    return [
        {
            "step": first + place,
            "epoch": epoch + 1,
            "learning_rate": float(rates[place]),
            "cross_entropy": float(result.cross_entropies[place]),
            "accuracy": float(result.correct[place] / max(result.examples[place], 1.0)),
            "examples": int(result.examples[place]),
        }
        for place in range(len(rates))
    ]


def scores_of(predictions: Predictions, evaluators: dict[str, Evaluator]) -> dict[str, float]:
    """{name: score} of the predictions by each evaluator."""
    return {
        name: evaluator.score(predictions.labels, predictions.probabilities)
        for name, evaluator in evaluators.items()
    }
