"""The loop: stopped anywhere and resumed, a run ends as if it had never been stopped."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog.errors import UsageError
from catdog.evaluators.accuracy import Accuracy
from catdog.evaluators.log_loss import LogLoss
from catdog.schedules.plateau import Plateau
from catdog.training import checkpoints
from catdog.training.journal import Journal
from catdog.training.loop import Loop, Progress, scores_of
from catdog.training.predict import Predictions

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


def killer(when: int) -> Callable[[int], None]:
    """Kills a run at this epoch or step."""

    def kill(place: int) -> None:
        if place == when:
            raise Stopped

    return kill


JUDGED: dict[str, Any] = {"evaluator": Accuracy(), "score_name": "accuracy"}


def _schedule() -> Plateau:
    return Plateau(learning_rate=0.1, total_steps=20, steps_per_epoch=STEPS, patience=0)


Start = Callable[..., tuple[Progress, dict[str, Any]]]


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
        **settings: Any,
    ) -> tuple[Progress, dict[str, Any]]:
        tiny = make_tiny(**settings)
        progress = Progress(0, None, 0, {}, [])
        for last in checkpoints.of_kind(folder / "checkpoints", "last")[-1:]:
            progress = Progress(**checkpoints.read_about(last)["progress"])
            checkpoints.restore(last, tiny.steps.variables)
        left = iter(scores[progress.epoch :])
        journal = Journal(folder, start_step=progress.epoch * STEPS)

        def on_steps(records: list[dict[str, Any]]) -> None:
            journal.write_steps(records)
            at_step(records[-1]["step"])

        def on_epoch(history: list[dict[str, Any]]) -> None:
            journal.write_epochs(history)
            at_epoch(history[-1]["epoch"])

        loop = Loop(
            steps=tiny.steps,
            make_iterator=lambda step: tiny.iterator(examples, step),
            validate=lambda: {"accuracy": next(left), "log_loss": 0.5} if validated else {},
            **JUDGED,
            schedule=_schedule(),
            model_dir=folder,
            about=ABOUT,
            total_steps=total_steps,
            steps_per_epoch=STEPS,
            steps_per_call=per_call,
            on_steps=on_steps,
            on_epoch=on_epoch,
        )
        return loop.train(progress), tiny.values()

    return start


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _without_times(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in TIMES}


def _assert_same_end(one: Any, other: Any, folders: tuple[Path, Path]) -> None:
    """Weights, history and files equal, but for the clock."""
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
        names.append(sorted(path.name for path in (folder / "checkpoints").iterdir()))
        rows.append([line.split(",")[0] for line in _lines(folder / "summary.csv")])
    assert texts[0] == texts[1]
    assert names[0] == names[1]
    assert rows[0] == rows[1] == ["epoch", "1", "2", "3", "4"]


KILLS: dict[str, list[dict[str, Any]]] = {
    "after the first epoch": [{"at_epoch": killer(1)}],
    "after the best epoch": [{"at_epoch": killer(2)}],
    "in the first epoch": [{"at_step": killer(3)}],
    "in the second epoch": [{"at_step": killer(8)}],
    "twice in one epoch": [{"at_step": killer(11)}, {"at_step": killer(13)}],
    "after each epoch": [{"at_epoch": killer(epoch)} for epoch in (1, 2, 3)],
}


@pytest.mark.parametrize("kind", KILLS)
def test_a_resumed_run_ends_as_an_undisturbed_one(start: Start, tmp_path: Path, kind: str) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    undisturbed = start(one)
    for kill in KILLS[kind]:
        with pytest.raises(Stopped):
            start(other, **kill)
    _assert_same_end(undisturbed, start(other), (one, other))


def test_steps_per_call_change_nothing(start: Start, tmp_path: Path) -> None:
    folders = tmp_path / "one", tmp_path / "other"
    ends = []
    for folder, per_call in zip(folders, (1, 4), strict=True):
        folder.mkdir()
        ends.append(start(folder, per_call=per_call))
    _assert_same_end(*ends, folders)


def test_best_stays_when_later_and_resumed_epochs_are_worse(start: Start, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        start(tmp_path, at_epoch=killer(2))
    best = checkpoints.find(tmp_path, "best")
    content = (best / "variables.data-00000-of-00001").read_bytes()
    progress, _ = start(tmp_path)
    assert (progress.best_epoch, progress.best_score) == (2, 0.8)
    assert checkpoints.find(tmp_path, "best") == best
    assert (best / "variables.data-00000-of-00001").read_bytes() == content
    assert [record["is_best"] for record in progress.history] == [True, True, False, False]
    names = checkpoints.read_about(best)["shapes"]
    assert all(name.startswith("weights/") for name in names), "best holds weights alone"


def test_the_schedule_follows_the_scores(start: Start, tmp_path: Path) -> None:
    progress, _ = start(tmp_path)
    rates = [record["learning_rate"] for record in progress.history]
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.01])
    assert progress.schedule["rate"] == pytest.approx(0.001)


def test_every_step_and_epoch_is_recorded_once_with_its_examples(
    start: Start, tmp_path: Path
) -> None:
    progress, _ = start(tmp_path)
    steps = [json.loads(line) for line in _lines(tmp_path / "metrics.jsonl")]
    assert [record["step"] for record in steps] == list(range(EPOCHS * STEPS))
    assert [record["epoch"] for record in steps] == sorted([1, 2, 3, 4] * STEPS)
    assert [record["examples"] for record in steps] == [8, 8, 8, 8, 5] * EPOCHS
    for record in progress.history:
        own = [step for step in steps if step["epoch"] == record["epoch"]]
        weights = np.array([step["examples"] for step in own])
        mean = np.average([step["cross_entropy"] for step in own], weights=weights)
        assert record["train_cross_entropy"] == pytest.approx(mean, rel=1e-6)
        right = np.average([step["accuracy"] for step in own], weights=weights)
        assert record["train_accuracy"] == pytest.approx(right, rel=1e-6)
        assert record["examples"] == 37


def test_a_score_without_a_value_ends_the_run(start: Start, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--evaluator=accuracy has no value"):
        start(tmp_path, scores=(0.5, float("nan")))
    assert [path.name for path in (tmp_path / "checkpoints").glob("best-*")] == ["best-000001"]


def test_without_validation_the_newest_epoch_is_the_best(start: Start, tmp_path: Path) -> None:
    progress, _ = start(tmp_path, validated=False)
    assert (progress.best_epoch, progress.best_score) == (EPOCHS, None)
    assert checkpoints.find(tmp_path, "best").name == "best-000004"


def test_a_run_of_fewer_steps_ends_inside_an_epoch_and_is_done_when_resumed(
    start: Start, tmp_path: Path
) -> None:
    progress, values = start(tmp_path, total_steps=STEPS + 2)
    assert [record["examples"] for record in progress.history] == [37, 16]
    assert len(_lines(tmp_path / "metrics.jsonl")) == STEPS + 2
    assert "validation_accuracy" in progress.history[-1]
    again, same = start(tmp_path, total_steps=STEPS + 2)
    assert again == progress
    np.testing.assert_array_equal(same["weights/fc1/kernel"], values["weights/fc1/kernel"])


def test_best_holds_the_averaged_weights_and_last_both(start: Start, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        start(tmp_path, at_epoch=killer(2), ema_decay=0.9)
    shapes = {"weights/fc1/kernel": [48, 6]}
    shapes["ema/fc1/kernel"] = [48, 6]
    last = {name: tf.Variable(tf.zeros(shape)) for name, shape in shapes.items()}
    checkpoints.restore(checkpoints.find(tmp_path, "last"), last)
    best = {"weights/fc1/kernel": tf.Variable(tf.zeros([48, 6]))}
    checkpoints.restore(checkpoints.find(tmp_path, "best"), best)
    found = best["weights/fc1/kernel"].numpy()
    np.testing.assert_array_equal(found, last["ema/fc1/kernel"])
    assert np.abs(found - last["weights/fc1/kernel"].numpy()).max() > 0


def test_a_resumed_run_with_averages_ends_as_an_undisturbed_one(
    start: Start, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    undisturbed = start(one, ema_decay=0.9)
    with pytest.raises(Stopped):
        start(other, at_step=killer(8), ema_decay=0.9)
    _assert_same_end(undisturbed, start(other, ema_decay=0.9), (one, other))


def test_scores_are_asked_of_each_evaluator() -> None:
    predictions = Predictions(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]], np.float32))
    scores = scores_of(predictions, {"accuracy": Accuracy(), "log_loss": LogLoss()})
    assert scores == {"accuracy": 0.5, "log_loss": pytest.approx(-np.log(1e-7) / 2)}
