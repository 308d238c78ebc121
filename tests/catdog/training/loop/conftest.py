"""A run of four epochs of five steps on a tiny network, which can be stopped anywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catdog.evaluators.accuracy import Accuracy
from catdog.schedules.plateau import Plateau
from catdog.training import checkpoints
from catdog.training.journal import Journal
from catdog.training.loop import Listeners, Loop, SaveRules
from catdog.training.progress import Extent, Progress, from_saved

EPOCHS, STEPS = 4, 5
# The best epoch is the second; the rate falls after the third and after the fourth.
SCORES = (0.6, 0.8, 0.7, 0.75)
ABOUT: dict[str, Any] = {"config": {}, "model": {}, "class_names": [], "preparation": {}} | {
    "data_fingerprint": "0"
}
TIMES = ("seconds", "pictures_per_second", "data_wait_percent", "validation_seconds")


class Stopped(Exception):
    """A run that was killed."""


def never(place: int) -> None:
    """Lets a run go on."""


def _killer(when: int) -> Callable[[int], None]:
    def kill(place: int) -> None:
        if place >= when:
            raise Stopped

    return kill


JUDGED: dict[str, Any] = {"evaluator": Accuracy(), "score_name": "accuracy"}


def _schedule() -> Plateau:
    return Plateau(learning_rate=0.1, total_steps=20, steps_per_epoch=STEPS, patience=0)


Start = Callable[..., tuple[Progress, dict[str, Any]]]


def _restored(folder: Path, extent: Extent, variables: dict[str, Any]) -> tuple[Progress, Any]:
    for last in checkpoints.of_kind(folder / "checkpoints", "last")[-1:]:
        checkpoints.restore(last, variables)
        progress = from_saved(checkpoints.read_about(last)["progress"], extent)
        return progress, checkpoints.read_array(last, "losses")
    return Progress(), None


def _listeners(
    journal: Journal, at_step: Callable[[int], None], at_epoch: Callable[[int], None]
) -> Listeners:
    def on_steps(records: list[dict[str, Any]]) -> None:
        journal.write_steps(records)
        at_step(records[-1]["step"])

    def on_epoch(history: list[dict[str, Any]]) -> None:
        journal.write_epochs(history)
        at_epoch(history[-1]["epoch"])

    return Listeners(on_steps=on_steps, on_epoch=on_epoch, on_losses=journal.write_losses)


@pytest.fixture
def start(make_tiny: Any, tiny_examples: Any) -> Start:
    """Starts or resumes the run in a folder; its progress and variables at the end."""
    examples = tiny_examples(EPOCHS * STEPS * 8)
    # Each epoch ends with three places of padding.
    examples["weights"].reshape(EPOCHS, -1)[:, -3:] = 0.0

    def start(
        folder: Path,
        *,
        at_step: Callable[[int], None] = never,
        at_epoch: Callable[[int], None] = never,
        per_call: int = 2,
        validated: bool = True,
        scores: tuple[float, ...] = SCORES,
        total_steps: int = EPOCHS * STEPS,
        every_steps: int = 0,
        at_validation: Callable[[Callable[[], None]], None] = lambda check: None,
        at_iterator: Callable[[int], Any] = lambda step: None,
        of_loop: dict[str, Any] | None = None,
        **settings: Any,
    ) -> tuple[Progress, dict[str, Any]]:
        tiny = make_tiny(longest_call=per_call, **settings)
        extent = Extent(len(examples["ids"]), STEPS, total_steps)
        progress, losses = _restored(folder, extent, tiny.steps.variables)
        left = iter(scores[progress.epoch :])
        journal = Journal(folder, start_step=progress.step)

        def validate(check: Callable[[], None]) -> dict[str, float]:
            at_validation(check)
            return {"accuracy": next(left), "log_loss": 0.5} if validated else {}

        loop = Loop(
            steps=tiny.steps,
            make_iterator=lambda step: at_iterator(step) or tiny.iterator(examples, step),
            validate=validate,
            **JUDGED,
            schedule=_schedule(),
            model_dir=folder,
            about=ABOUT,
            extent=extent,
            steps_per_call=per_call,
            listeners=_listeners(journal, at_step, at_epoch),
            rules=SaveRules(every_steps=every_steps),
            **(of_loop or {}),
        )
        with loop.signals:
            return loop.train(progress, losses), tiny.values()

    return start


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in TIMES}


def _same_end(one: Any, other: Any, folders: tuple[Path, Path]) -> None:
    (progress, values), (other_progress, other_values) = one, other
    for name, value in values.items():
        np.testing.assert_array_equal(other_values[name], value, err_msg=name)
    assert list(map(_without_times, progress.history)) == list(
        map(_without_times, other_progress.history)
    )
    assert (progress.schedule, progress.best_score, progress.best_epoch) == (
        other_progress.schedule,
        other_progress.best_score,
        other_progress.best_epoch,
    )
    texts, names, rows = [], [], []
    for folder in folders:
        texts.append((folder / "metrics.jsonl").read_text())
        for epoch in (1, 2, 3, 4):
            texts[-1] += repr(np.load(folder / f"losses/epoch-{epoch:06d}.npy").tolist())
        names.append(sorted(path.name for path in (folder / "checkpoints").iterdir()))
        rows.append([line.split(",")[0] for line in _lines(folder / "summary.csv")])
    assert texts[0] == texts[1]
    assert names[0] == names[1]
    assert rows[0] == rows[1] == ["epoch", "1", "2", "3", "4"]


@pytest.fixture(scope="session")
def same_end() -> Callable[..., None]:
    """`same_end(one, other, folders)`: weights, history and files are equal, but for the clock."""
    return _same_end


@pytest.fixture(scope="session")
def killer() -> Callable[[int], Callable[[int], None]]:
    """`killer(when)` kills a run at this epoch, or after the call that has this step."""
    return _killer


@pytest.fixture(scope="session")
def stopped() -> type[Exception]:
    """What a killed run raises."""
    return Stopped
