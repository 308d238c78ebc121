"""A run that is killed again and again ends, bit for bit, as one that nothing happened to."""

import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from catdog.training import checkpoints

pytestmark = pytest.mark.faults

WRITE_STEPS = "catdog.training.journal:Journal.write_steps"
# Where a save, the end of an epoch and the start of a run touch the disk, and how often at most in
# the few steps that a kill is chosen from.
PLACES = {
    WRITE_STEPS: 3,
    "catdog.training.checkpoints:_flush": 3,
    "catdog.training.checkpoints:prune": 4,
    "catdog.training.loop:Loop._end_epoch": 1,
    "catdog.parts:predict_split": 1,
    "os:fsync": 25,
    "os:replace": 5,
    "pathlib:Path.rename": 4,
    "shutil:rmtree": 6,
    "tensorflow:train.Checkpoint.write": 3,
}
# Calls have 1, 2, 2, … steps: the first kill is at step 7, where the save after step 3 is done and
# that after step 5 has begun, the second one within three steps from where the run goes on.
TWO_IN_ONE_EPOCH = [(WRITE_STEPS, 4, signal.SIGKILL), (WRITE_STEPS, 2, signal.SIGKILL)]


def _position(model_dir: Path) -> tuple[int, int]:
    """Epochs and steps of the newest checkpoint."""
    found = checkpoints.of_kind(model_dir / "checkpoints", "last")
    if not found:
        return 0, 0
    progress = checkpoints.read_about(found[-1])["progress"]
    return progress["epoch"], progress["step"]


def _kill_somewhere(start: Any, rng: random.Random, flags: list[str], *, far: bool) -> None:
    """Kills the run at a chosen call, a chosen while after a chosen step, or as it starts.

    With `far` it is killed after so many steps that one more save is complete: the second one
    after where it goes on begins after 5 steps at the latest, and waits for the first.
    """
    kind = "step" if far else rng.choice(["call", "call", "step", "start"])
    if kind == "call":
        place = rng.choice(sorted(PLACES))
        nth, when = rng.randint(1, PLACES[place]), rng.choice(["before", "after"])
        print(f"kill {when} call {nth} of {place}")
        job = start("run", *flags, points=[(place, nth, signal.SIGKILL, when)])
        # Where the call is not reached, or late, the run must not get too far for what follows.
        steps, pause = 10, 0.0
    elif kind == "step":
        steps, pause = rng.randint(6, 8) if far else rng.randint(1, 8), rng.uniform(0.0, 0.3)
        print(f"kill {pause:.3f} s after {steps} steps")
        job = start("run", *flags)
    else:
        steps, pause = -1000, rng.uniform(0.0, 4.0)
        print(f"kill {pause:.3f} s after the start")
        job = start("run", *flags)
    before = _position(job.model_dir)[1]
    job.until(lambda: job.steps() >= before + steps)
    time.sleep(pause)
    job.process.kill()  # nothing, where it has just ended
    assert job.wait() in (-signal.SIGKILL, 0), job.said()


def _rates(scores: list[float], rate: float) -> list[float]:
    """The rate of each epoch by the original's rule, with patience 0 and factor 0.5."""
    rates, best = [], 0.0
    for score in scores:
        rates.append(rate)
        if score > best * (1 + 1e-4):
            best = score
        elif rate - rate * 0.5 > 1e-8:
            rate *= 0.5
    return rates


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_that_is_killed_anywhere_ends_as_the_undisturbed_one(
    start: Any, undisturbed: Any, same: Any, rng: random.Random, is_long: bool, precision: str
) -> None:
    if precision == "bfloat16" and not is_long:
        pytest.skip("make faults runs it")
    flags = [f"--precision={precision}"]
    expected = undisturbed(precision)
    positions = []
    for point in TWO_IN_ONE_EPOCH:
        job = start("run", *flags, points=[point])
        job.ended(-signal.SIGKILL)
        positions.append(_position(job.model_dir))
    for number in range(10 if is_long else 3):
        _kill_somewhere(start, rng, flags, far=number % 4 == 2)
        positions.append(_position(job.model_dir))
    print("epochs and steps saved at each kill:", positions)
    (first, step), (second, later) = positions[:2]
    assert first == second == 0 < step <= later < 8
    assert positions[1] < positions[-1], "the run must get on between the kills"
    job = start("run", *flags)
    job.ended(0)
    found = same(job.model_dir, expected)
    assert len(found.metrics) == 3 * 8
    assert [row["epoch"] for row in found.summary] == ["1", "2", "3"]
    scores = [float(row["validation_accuracy"]) for row in found.summary]
    rates = [float(row["learning_rate"]) for row in found.summary]
    assert rates == pytest.approx(_rates(scores, 0.01), rel=1e-5)
    best = [row["epoch"] for row in found.summary if row["is_best"] == "True"][-1]
    assert checkpoints.number_of(checkpoints.find(job.model_dir, "best")) == int(best)


@pytest.fixture
def archive(start: Any, tmp_path: Path, undisturbed: Any, same: Any) -> Path:
    """A folder with every checkpoint of a run, and in `run` the run."""
    job = start("run", archive=tmp_path / "archive")
    job.ended(0)
    same(job.model_dir, undisturbed("float32"))
    for path in (job.model_dir / "checkpoints").iterdir():
        shutil.copytree(path, tmp_path / "archive" / path.name, dirs_exist_ok=True)
    return tmp_path / "archive"


def _damage(checkpoint: Path, kind: str) -> None:
    data = next(checkpoint.glob("variables.data*"))
    if kind == "data cut":
        data.write_bytes(data.read_bytes()[:-1])
    elif kind == "index empty":
        (checkpoint / "variables.index").write_bytes(b"")
    elif kind == "half-written":
        for name in ("variables.index", "about.json", "commit.json"):
            (checkpoint / name).unlink()
    elif kind == "a byte changed":
        content = bytearray(data.read_bytes())
        content[len(content) // 3] ^= 0x40
        data.write_bytes(content)


DAMAGES = ["data cut", "index empty", "half-written", "a byte changed"]


def _back_to(archive: Path, model_dir: Path, *names: str) -> None:
    """Makes a run as it was when `names` were its last checkpoints, its journal ahead of them."""
    shutil.copytree(archive.parent / "run", model_dir)
    shutil.rmtree(model_dir / "checkpoints")
    oldest = checkpoints.read_about(archive / names[0])["progress"]["best_epoch"]
    bests = [path.name for path in archive.glob("best-*") if checkpoints.number_of(path) >= oldest]
    newest = checkpoints.read_about(archive / names[-1])["progress"]["best_epoch"]
    for name in (*names, *(each for each in bests if int(each[-6:]) <= newest)):
        shutil.copytree(archive / name, model_dir / "checkpoints" / name)


def test_a_run_goes_on_from_every_checkpoint_and_past_damaged_ones_to_the_same_end(
    archive: Path,
    start: Any,
    undisturbed: Any,
    same: Any,
    rng: random.Random,
    is_long: bool,
    tmp_path: Path,
) -> None:
    expected = undisturbed("float32")
    names = [path.name for path in checkpoints.of_kind(archive, "last")]
    assert len(names) >= 9
    for name in names if is_long else [rng.choice(names)]:
        print("from", name)
        _back_to(archive, tmp_path / name, name)
        assert f"step {int(name[-6:])}, from" in start(name).ended(0)
        same(tmp_path / name, expected)
    for kind in DAMAGES if is_long else [rng.choice(DAMAGES)]:
        place = rng.randrange(len(names) - 1)
        print(kind, names[place : place + 2])
        folder = kind.replace(" ", "-")
        _back_to(archive, tmp_path / folder, *names[place : place + 2])
        _damage(tmp_path / folder / "checkpoints" / names[place + 1], kind)
        said = start(folder).ended(0)
        assert f"warning: the checkpoint {tmp_path / folder}/checkpoints/{names[place + 1]}" in said
        assert f"from {tmp_path / folder}/checkpoints/{names[place]}" in said
        same(tmp_path / folder, expected)
    for path in checkpoints.of_kind(tmp_path / "run/checkpoints", "last"):
        _damage(path, rng.choice(DAMAGES))
    assert "are damaged; train again" in start("run").ended(4).splitlines()[-1]
