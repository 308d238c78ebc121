"""Saving beside the training: what is saved is what was, and what went wrong is told."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog.errors import NumericError
from catdog.training import checkpoints
from catdog.training.saver import Saver, Snapshot

ABOUT: dict[str, Any] = {"config": {}, "model": {}, "class_names": [], "preparation": {}} | {
    "data_fingerprint": "0",
    "progress": {"best_epoch": 0},
}


def _saved(folder: Path, kind: str, shape: list[int]) -> Any:
    variable = tf.Variable(tf.zeros(shape))
    checkpoints.restore(checkpoints.of_kind(folder, kind)[-1], {"weights/w": variable})
    return variable.numpy()


@pytest.mark.parametrize("how", ["assign", "assign_add", "in a function"])
def test_a_snapshot_keeps_the_values_it_was_taken_of(tmp_path: Path, how: str) -> None:
    weight = tf.Variable(tf.range(1000.0))
    before = weight.numpy().copy()
    array = np.zeros(2)
    snapshot = Snapshot("last", 1, {"weights/w": weight}, ABOUT, {"a": array})
    array += 1

    @tf.function
    def change() -> None:
        weight.assign(weight * 2.0)
        weight.assign_sub(weight / 3.0)

    if how == "assign":
        weight.assign(tf.zeros_like(weight))
    elif how == "assign_add":
        weight.assign_add(tf.ones_like(weight))
    else:
        change()
    snapshot.write(tmp_path)
    assert np.any(weight.numpy() != before)
    np.testing.assert_array_equal(_saved(tmp_path, "last", [1000]), before)
    found = checkpoints.read_array(checkpoints.of_kind(tmp_path, "last")[-1], "a")
    np.testing.assert_array_equal(found, [0, 0])


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_nothing_that_is_not_finite_is_saved(tmp_path: Path, wrong: float) -> None:
    saver = Saver(tmp_path)
    sound = Snapshot("last", 1, {"weights/w": tf.Variable([1.0])}, ABOUT)
    broken = {"weights/w": tf.Variable([2.0]), "weights/v": tf.Variable([0.0, wrong])}
    saver.start([sound])
    saver.start([Snapshot("best", 1, broken, ABOUT), Snapshot("last", 2, broken, ABOUT)])
    with pytest.raises(NumericError, match="weights/v is no longer finite"):
        saver.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["last-000001"]


def test_an_error_is_told_once_and_the_next_save_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    saver = Saver(tmp_path)
    snapshot = Snapshot("last", 1, {"weights/w": tf.Variable([1.0])}, ABOUT)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_flush", fail)
        saver.start([snapshot])
        with pytest.raises(OSError, match="No space"):
            saver.wait()
    saver.check()
    saver.start([snapshot])
    saver.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["last-000001"]


def _about(best_epoch: int) -> dict[str, Any]:
    return ABOUT | {"progress": {"best_epoch": best_epoch}}


def test_a_best_goes_once_no_state_knows_it(tmp_path: Path) -> None:
    variables = {"weights/w": tf.Variable([1.0])}
    saver = Saver(tmp_path)

    def names_after(step: int, best_epoch: int, *, is_best: bool) -> list[str]:
        about = _about(best_epoch)
        best = [Snapshot("best", best_epoch, variables, about)] if is_best else []
        saver.start([*best, Snapshot("last", step, variables, about)])
        saver.wait()
        return sorted(path.name for path in tmp_path.glob("best-*"))

    assert names_after(10, 1, is_best=True) == ["best-000001"]
    assert names_after(20, 2, is_best=True) == ["best-000001", "best-000002"]
    assert names_after(25, 2, is_best=False) == ["best-000002"]
    assert names_after(30, 2, is_best=False) == ["best-000002"]


def test_a_damaged_older_state_stops_no_training(tmp_path: Path) -> None:
    saver = Saver(tmp_path)
    for step in (1, 2):
        saver.start([Snapshot("last", step, {"weights/w": tf.Variable([1.0])}, _about(0))])
        saver.wait()
        (tmp_path / "last-000001" / "about.json").write_text("{")
    assert len(checkpoints.of_kind(tmp_path, "last")) == 2


def test_a_new_best_and_the_old_one_stand_until_the_state_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"weights/w": tf.Variable([1.0])}
    seen: list[list[str]] = []
    save = checkpoints.save

    def watch(folder: Path, *args: Any, **kwargs: Any) -> Path:
        seen.append(sorted(path.name for path in folder.glob("*")))
        return save(folder, *args, **kwargs)

    monkeypatch.setattr(checkpoints, "save", watch)
    saver = Saver(tmp_path)
    for epoch in (1, 2):
        saver.start([Snapshot(kind, epoch, variables, _about(epoch)) for kind in ("best", "last")])
    saver.wait()
    assert seen[-1] == ["best-000001", "best-000002", "last-000001"]


def test_leaving_waits_for_the_save_and_clears_what_a_dead_process_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "last-000009.partial").mkdir()
    saver, gate = Saver(tmp_path), threading.Event()
    flush = checkpoints._flush

    def slow(folder: Path) -> None:
        gate.wait(10)
        flush(folder)

    monkeypatch.setattr(checkpoints, "_flush", slow)
    snapshot = Snapshot("last", 1, {"weights/w": tf.Variable([1.0])}, ABOUT)
    with pytest.raises(ZeroDivisionError), saver.opened():
        saver.start([snapshot])
        assert saver.busy
        threading.Timer(0.2, gate.set).start()
        raise ZeroDivisionError
    assert not saver.busy
    assert [path.name for path in tmp_path.iterdir()] == ["last-000001"]
    assert capsys.readouterr().err == ""
