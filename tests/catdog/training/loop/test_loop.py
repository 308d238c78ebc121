"""The loop: epochs, saves, what is best, what is written down."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog.errors import NumericError, UsageError
from catdog.evaluators.accuracy import Accuracy
from catdog.evaluators.log_loss import LogLoss
from catdog.training import checkpoints
from catdog.training.loop import Loop, scores_of
from catdog.training.predict import Predictions

EPOCHS, STEPS = 4, 5


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_steps_per_call_change_nothing(start: Any, tmp_path: Path, same_end: Any) -> None:
    folders = tmp_path / "one", tmp_path / "other"
    ends = []
    for folder, per_call in zip(folders, (1, 4), strict=True):
        folder.mkdir()
        ends.append(start(folder, per_call=per_call))
    same_end(*ends, folders)


def test_best_stays_when_later_and_resumed_epochs_are_worse(
    start: Any, tmp_path: Path, killer: Any, stopped: Any
) -> None:
    with pytest.raises(stopped):
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


def test_the_schedule_follows_the_scores(start: Any, tmp_path: Path) -> None:
    progress, _ = start(tmp_path)
    rates = [record["learning_rate"] for record in progress.history]
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.01])
    assert progress.schedule["rate"] == pytest.approx(0.001)


def test_every_step_and_epoch_is_recorded_once_with_its_examples(
    start: Any, tmp_path: Path
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


def test_a_score_without_a_value_ends_the_run(start: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--evaluator=accuracy has no value"):
        start(tmp_path, scores=(0.5, float("nan")))
    assert [path.name for path in (tmp_path / "checkpoints").glob("best-*")] == ["best-000001"]


def test_without_validation_the_newest_epoch_is_the_best(start: Any, tmp_path: Path) -> None:
    progress, _ = start(tmp_path, validated=False)
    assert (progress.best_epoch, progress.best_score) == (EPOCHS, None)
    assert checkpoints.find(tmp_path, "best").name == "best-000004"


def test_an_epoch_that_is_not_validated_is_never_the_best(start: Any, tmp_path: Path) -> None:
    every_second: dict[str, Any] = {"is_validated": lambda epoch: epoch % 2 == 1}
    progress, _ = start(tmp_path, scores=(0.8, 0.7), of_loop=every_second)
    scores = [record.get("validation_accuracy") for record in progress.history]
    assert scores == [None, 0.8, None, 0.7]
    assert (progress.best_epoch, progress.best_score) == (2, 0.8)
    # Until there is a score the first epoch stands in for the best.
    assert [record["is_best"] for record in progress.history] == [True, True, False, False]
    rows = [line.split(",") for line in _lines(tmp_path / "summary.csv")]
    place = rows[0].index("validation_accuracy")
    assert [row[place] for row in rows[1:]] == ["", "0.8", "", "0.7"]


def test_a_new_stage_gets_batches_of_its_own(
    start: Any, tmp_path: Path, killer: Any, stopped: Any, same_end: Any
) -> None:
    staged = {"new_stages": frozenset({1, 3})}
    folders = tmp_path / "one", tmp_path / "other"
    asked: list[int] = []
    for folder in folders:
        folder.mkdir()
    whole = start(folders[0], at_iterator=asked.append, of_loop=staged)
    assert asked == [0, STEPS, 3 * STEPS]
    asked.clear()
    with pytest.raises(stopped):
        start(folders[1], at_epoch=killer(3), at_iterator=asked.append, of_loop=staged)
    resumed = start(folders[1], at_iterator=asked.append, of_loop=staged)
    assert asked == [0, STEPS, 3 * STEPS]
    same_end(whole, resumed, folders)


def test_a_run_of_fewer_steps_ends_inside_an_epoch_and_is_done_when_resumed(
    start: Any, tmp_path: Path
) -> None:
    progress, values = start(tmp_path, total_steps=STEPS + 2)
    assert [record["examples"] for record in progress.history] == [37, 16]
    assert len(_lines(tmp_path / "metrics.jsonl")) == STEPS + 2
    assert "validation_accuracy" in progress.history[-1]
    again, same = start(tmp_path, total_steps=STEPS + 2)
    assert again == progress
    np.testing.assert_array_equal(same["weights/fc1/kernel"], values["weights/fc1/kernel"])


def test_best_holds_the_averaged_weights_and_last_both(
    start: Any, tmp_path: Path, killer: Any, stopped: Any
) -> None:
    with pytest.raises(stopped):
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


def test_losses_of_an_epoch_are_kept_by_example(start: Any, tmp_path: Path) -> None:
    start(tmp_path)
    steps = [json.loads(line) for line in _lines(tmp_path / "metrics.jsonl")]
    losses = np.load(tmp_path / "losses" / "epoch-000002.npy")
    assert (losses.dtype, losses.shape) == (np.float16, (EPOCHS * STEPS * 8,))
    own = losses[STEPS * 8 : 2 * STEPS * 8]
    assert np.isfinite(own).sum() == np.isfinite(losses).sum() == STEPS * 8
    assert own[:8].astype(float).mean() == pytest.approx(steps[5]["cross_entropy"], rel=1e-3)


def test_a_loss_that_is_not_finite_ends_the_run_before_anything_is_saved(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(tmp_path, total_steps=STEPS)
    before = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    told: list[tuple[int, float, dict[int, float]]] = []

    def listen(loop: Loop) -> None:
        own = dataclasses.replace(loop.listeners, on_not_finite=lambda *about: told.append(about))
        loop.listeners = own
        post_init(loop)

    post_init = Loop.__post_init__
    monkeypatch.setattr(Loop, "__post_init__", listen)
    with pytest.raises(NumericError, match=r"(loss of step|no longer finite)"):
        start(tmp_path, weight_decay=1e30, every_steps=1)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == before
    ((step, rate, losses),) = told
    assert (step, rate) == (STEPS, pytest.approx(0.1))
    assert sorted(losses) == list(range(8 * STEPS, 8 * STEPS + 8))


def test_scores_are_asked_of_each_evaluator() -> None:
    predictions = Predictions(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]], np.float32))
    scores = scores_of(predictions, {"accuracy": Accuracy(), "log_loss": LogLoss()})
    assert scores == {"accuracy": 0.5, "log_loss": pytest.approx(-np.log(1e-7) / 2)}
