"""A run that is stopped anywhere, by whatever, and resumed ends as if it had never been stopped."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catdog.errors import Preempted
from catdog.training import checkpoints

# What each killer is called with: the epoch or the step.
KILLS: dict[str, list[tuple[str, int]]] = {
    "after the first epoch": [("at_epoch", 1)],
    "after the best epoch": [("at_epoch", 2)],
    "in the first epoch": [("at_step", 3)],
    "in the second epoch": [("at_step", 8)],
    "twice in one epoch": [("at_step", 11), ("at_step", 13)],
    "after each epoch": [("at_epoch", epoch) for epoch in (1, 2, 3)],
}


@pytest.mark.parametrize("kind", KILLS)
def test_a_resumed_run_ends_as_an_undisturbed_one(
    start: Any, tmp_path: Path, kind: str, killer: Any, stopped: Any, same_end: Any
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    undisturbed = start(one)
    for where, when in KILLS[kind]:
        with pytest.raises(stopped):
            start(other, **{where: killer(when)})
    same_end(undisturbed, start(other), (one, other))


@pytest.mark.parametrize("every_steps", [1, 2, 3])
def test_a_run_that_is_killed_again_and_again_within_its_epochs_ends_as_an_undisturbed_one(
    start: Any, tmp_path: Path, every_steps: int, killer: Any, stopped: Any, same_end: Any
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    undisturbed = start(one)
    for step in (3, 4, 6, 7, 12):
        with pytest.raises(stopped):
            start(other, at_step=killer(step), every_steps=every_steps, per_call=1)
    same_end(undisturbed, start(other), (one, other))


def test_a_save_within_an_epoch_is_where_the_run_goes_on(
    start: Any, tmp_path: Path, killer: Any, stopped: Any
) -> None:
    with pytest.raises(stopped):
        start(tmp_path, at_step=killer(8), every_steps=2, per_call=1)
    newest = checkpoints.find(tmp_path, "last")
    progress = checkpoints.read_about(newest)["progress"]
    assert (progress["epoch"], progress["step"], newest.name) == (1, 7, "last-000007")
    assert progress["sums"]["steps"] == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("place", ["steps", "validation"])
def test_a_signal_saves_the_last_step_and_the_run_goes_on_from_there(
    start: Any, tmp_path: Path, number: signal.Signals, place: str, same_end: Any
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    undisturbed = start(one)

    def at_step(step: int) -> None:
        if step == 7 and place == "steps":
            os.kill(os.getpid(), number)

    def at_validation(check: Callable[[], None]) -> None:
        check()
        if place == "validation" and not checkpoints.of_kind(other / "checkpoints", "last"):
            os.kill(os.getpid(), number)
        check()

    with pytest.raises(KeyboardInterrupt) as caught:
        start(other, at_step=at_step, at_validation=at_validation, per_call=1)
    assert isinstance(caught.value, Preempted) == (number == signal.SIGTERM)
    newest = checkpoints.find(other, "last")
    assert newest.name == ("last-000008" if place == "steps" else "last-000005")
    same_end(undisturbed, start(other), (one, other))


def test_a_signal_on_a_full_disk_is_told_as_a_full_disk(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Preempted would say that the state is saved."""

    def at_step(step: int) -> None:
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "_flush", fail)
    with pytest.raises(OSError, match="No space"):
        start(tmp_path, at_step=at_step, per_call=1)
    assert "saved after" not in capsys.readouterr().err


def test_a_wish_to_save_is_fulfilled_after_the_step(
    start: Any, tmp_path: Path, killer: Any, stopped: Any
) -> None:
    def at_step(step: int) -> None:
        if step == 7:
            os.kill(os.getpid(), signal.SIGUSR1)
        killer(9)(step)

    with pytest.raises(stopped):
        start(tmp_path, at_step=at_step, per_call=1)
    assert checkpoints.find(tmp_path, "last").name == "last-000008"


def test_a_resumed_run_with_averages_ends_as_an_undisturbed_one(
    start: Any, tmp_path: Path, killer: Any, stopped: Any, same_end: Any
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    undisturbed = start(one, ema_decay=0.9)
    with pytest.raises(stopped):
        start(other, at_step=killer(8), ema_decay=0.9)
    same_end(undisturbed, start(other, ema_decay=0.9), (one, other))
