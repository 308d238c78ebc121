"""A job that is asked to leave saves, says so by its exit code, and goes on where it was."""

import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catdog.training import checkpoints

pytestmark = pytest.mark.faults

WRITE_STEPS = "catdog.training.journal:Journal.write_steps"
FLUSH = "catdog.training.checkpoints:_flush"
PREDICT = "catdog.parts:predict_split"
TERM, INT, USR1 = signal.SIGTERM, signal.SIGINT, signal.SIGUSR1
GRACE = 30


def _left_in_time(said: str, now: float) -> None:
    moments = [float(each) for each in re.findall(r"failpoint at ([\d.]+)", said)]
    assert moments
    assert now - moments[-1] < GRACE


def test_a_run_that_is_asked_to_leave_everywhere_saves_and_ends_as_the_undisturbed_one(
    start: Any, undisturbed: Any, same: Any
) -> None:
    """Nothing is saved by steps here."""
    expected = undisturbed("float32")
    # What happens, the exit code, and the newest checkpoint after it; where a save's own thread
    # asks, the steps go on until it gets so far, and the step that was the last one decides.
    told: list[tuple[list[tuple[Any, ...]], int, int | None]] = [
        # Asked to save at step 1 and to leave at step 5, in the save's own thread.
        ([(WRITE_STEPS, 1, USR1), (WRITE_STEPS, 3, TERM)], 42, 5),
        ([(PREDICT, 1, INT)], 130, 8),
        ([(FLUSH, 1, TERM)], 42, None),
        # A second request while the first one saves.
        ([(WRITE_STEPS, 2, TERM), (FLUSH, 1, TERM)], 128 + TERM, None),
        # Two epochs are left to validate, then comes the last evaluation.
        ([(PREDICT, 3, TERM)], 42, 24),
    ]
    before = 0
    for points, code, step in told:
        job = start("run", "--save_every_steps=0", points=points)
        said = job.ended(code)
        _left_in_time(said, time.time())
        newest = checkpoints.number_of(checkpoints.find(job.model_dir, "last"))
        if code != 128 + TERM:
            assert said.splitlines()[-1] == "interrupted; give the same command to go on"
            assert newest == (job.steps() if step is None else step)
            assert "saved after step" not in said or f"saved after step {newest} of 24" in said
        else:
            assert before <= newest <= job.steps()
            assert "saved after" not in said
        before = newest
    job = start("run", "--save_every_steps=0")
    job.ended(0)
    same(job.model_dir, expected)


def test_sigterm_in_start_up_leaves_with_42_and_nothing_broken(
    train_command: Callable[..., list[str]], tmp_path: Path, rng: random.Random, is_long: bool
) -> None:
    lock = tmp_path / "run/.lock"
    for _ in range(6 if is_long else 1):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        pause = rng.uniform(0.0, 7.0)
        print(f"SIGTERM {pause:.3f} s after the lock")
        with subprocess.Popen(
            train_command(tmp_path / "run", "--epochs=50"), stderr=subprocess.PIPE, text=True
        ) as process:
            while process.poll() is None and not lock.exists():
                time.sleep(0.01)
            time.sleep(pause)
            asked = time.monotonic()
            process.send_signal(TERM)
            _, said = process.communicate(timeout=300)
        assert process.returncode == 42, said
        assert time.monotonic() - asked < GRACE
        assert "Traceback" not in said
        assert said.splitlines()[-1] == "interrupted; give the same command to go on"


def test_a_second_job_is_refused_while_the_first_one_goes_on(
    start: Any, train_command: Callable[..., list[str]]
) -> None:
    job = start("run", "--epochs=50")
    assert job.until(lambda: job.steps() > 0)
    command = train_command(job.model_dir, "--epochs=50")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 8, done.stderr
    assert "in use by another job" in done.stderr.splitlines()[-1]
    steps = job.steps()
    assert job.until(lambda: job.steps() > steps)
    job.process.kill()
    assert job.wait() == -signal.SIGKILL
