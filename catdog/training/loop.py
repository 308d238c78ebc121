"""The outer loop of training: epochs on the host, steps on the devices."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from catdog.errors import NumericError, UsageError
from catdog.evaluators._evaluator import Evaluator
from catdog.schedules._schedule import Schedule
from catdog.training import checkpoints
from catdog.training.predict import Predictions
from catdog.training.steps import StepResults, TrainSteps

Record = dict[str, Any]


@dataclasses.dataclass
class Progress:
    """How far a run has come; saved with every checkpoint.

    Attributes:
      epoch: epochs done.
      best_score: the best validation score so far; None before the first.
      best_epoch: the epoch that had it, from 1; 0 before the first.
      schedule: the schedule's state.
      history: one record for each epoch done.
    """

    epoch: int
    best_score: float | None
    best_epoch: int
    schedule: dict[str, float]
    history: list[Record]


@dataclasses.dataclass(frozen=True)
class Loop:
    """A run's parts, and `train` to run them.

    Attributes:
      steps: takes training steps.
      make_iterator: batches from a given step of the run on.
      validate: the scores after an epoch, {name: score}, or {} without validation data; the
        evaluator's own stands under `score_name`.
      evaluator: which scores are better.
      score_name: the key of the score that the schedule and "best" follow.
      schedule: the learning rates.
      model_dir: where checkpoints go.
      about: what every checkpoint carries beside the progress.
      total_steps: of the whole run; the last epoch may be cut short.
      on_steps: gets one record for each step, after each call of several steps.
      on_epoch: gets the records of all epochs, after each.
    """

    steps: TrainSteps
    make_iterator: Callable[[int], Iterator[Any]]
    validate: Callable[[], dict[str, float]]
    evaluator: Evaluator
    score_name: str
    schedule: Schedule
    model_dir: Path
    about: Record
    total_steps: int
    steps_per_epoch: int
    steps_per_call: int
    on_steps: Callable[[list[Record]], None]
    on_epoch: Callable[[list[Record]], None]

    def train(self, progress: Progress) -> Progress:
        """Trains from `progress` to the last epoch; a checkpoint is saved after each.

        Validation and the best checkpoint are of the averaged weights where there are any.

        Raises:
          NumericError: a loss is NaN or infinite; no checkpoint is saved from then on.
        """
        if progress.schedule:
            self.schedule.restore(progress.schedule)
        if progress.history:
            self.on_epoch(progress.history)  # what was written after the checkpoint may be missing
        iterator = self.make_iterator(progress.epoch * self.steps_per_epoch)
        while progress.epoch * self.steps_per_epoch < self.total_steps:
            record = self._train_epoch(progress.epoch, iterator)
            started = time.monotonic()
            with self.steps.averaged():
                scores = self.validate()
            record |= {f"validation_{name}": score for name, score in scores.items()}
            record["validation_seconds"] = round(time.monotonic() - started, 2)
            progress = self._close_epoch(progress, record, scores)
            self.on_epoch(progress.history)
        return progress

    def _train_epoch(self, epoch: int, iterator: Iterator[Any]) -> Record:
        results: list[StepResults] = []
        all_rates: list[float] = []
        started = time.monotonic()
        first = epoch * self.steps_per_epoch
        last = min(first + self.steps_per_epoch, self.total_steps)
        while first < last:
            count = min(self.steps_per_call, last - first)
            rates = np.array([self.schedule.rate(first + i) for i in range(count)], np.float32)
            result = self.steps(iterator, rates, first)
            _check_finite(result, rates, first)
            results.append(result)
            all_rates += [float(rate) for rate in rates]
            self.on_steps(_step_records(result, rates, first, epoch))
            first += count
        seconds = time.monotonic() - started
        examples = sum(float(result.examples.sum()) for result in results)
        # fsum is exact, so the mean does not depend on how the steps were grouped into calls.
        losses = math.fsum(
            float(mean) * float(count)
            for result in results
            for mean, count in zip(result.cross_entropies, result.examples, strict=True)
        )
        return {
            "epoch": epoch + 1,
            "learning_rate": all_rates[0],
            "last_learning_rate": all_rates[-1],
            "train_cross_entropy": losses / examples,
            "train_accuracy": sum(float(r.correct.sum()) for r in results) / examples,
            "l2": results[-1].l2,
            "examples": int(examples),
            "seconds": round(seconds, 2),
            "pictures_per_second": round(examples / seconds, 1),
            "data_wait_percent": round(100 * sum(r.waited for r in results) / seconds, 1),
        }

    def _close_epoch(
        self, progress: Progress, record: Record, scores: dict[str, float]
    ) -> Progress:
        """Judges the epoch, tells the schedule, saves last and, where it is one, best."""
        score = scores.get(self.score_name)
        if score is not None and math.isnan(score):
            raise UsageError(
                f"--evaluator={self.score_name} has no value for these validation examples (do "
                "they have every class?); choose another evaluator or split"
            )
        best = self.evaluator.worst_score if progress.best_score is None else progress.best_score
        improved = score is None or self.evaluator.is_better(score, best)
        self.schedule.end_epoch(improved=improved)
        # The first epoch is the best so far even where its score does not beat the worst one.
        is_best = improved or progress.best_epoch == 0
        record["is_best"] = is_best
        done = progress.epoch + 1
        progress = Progress(
            epoch=done,
            best_score=score if is_best else progress.best_score,
            best_epoch=done if is_best else progress.best_epoch,
            schedule=self.schedule.state(),
            history=[*progress.history, record],
        )
        about = self.about | {"progress": dataclasses.asdict(progress)}
        folder = self.model_dir / "checkpoints"
        if is_best:
            weights = {
                name: variable
                for name, variable in self.steps.variables.items()
                if name.startswith("weights/")
            }
            with self.steps.averaged():
                checkpoints.save(folder, "best", done, weights, about, keep=1)
        checkpoints.save(folder, "last", done, self.steps.variables, about, keep=2)
        return progress


def _check_finite(result: StepResults, rates: np.ndarray, first: int) -> None:
    wrong = np.flatnonzero(~np.isfinite(result.cross_entropies))
    if len(wrong):
        raise NumericError(
            f"the loss of step {first + wrong[0]} is {result.cross_entropies[wrong[0]]} at a "
            f"learning rate of {rates[wrong[0]]:.3g}; train again with a lower --learning_rate"
        )


def _step_records(result: StepResults, rates: np.ndarray, first: int, epoch: int) -> list[Record]:
    return [
        {
            "step": first + place,
            "epoch": epoch + 1,
            "learning_rate": float(rates[place]),
            "cross_entropy": float(result.cross_entropies[place]),
            "accuracy": float(result.correct[place] / result.examples[place]),
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
