"""A disk that is full in the middle of a save costs nothing but the time until it is not."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catdog.training import checkpoints

pytestmark = pytest.mark.faults

WRITE_STEPS = "catdog.training.journal:Journal.write_steps"


def _sound(model_dir: Path) -> list[str]:
    """The names of the last checkpoints, each of which is what was committed."""
    found = checkpoints.of_kind(model_dir / "checkpoints", "last")
    for path in found:
        checkpoints.restore(path, {})
    return [path.name for path in found]


def _full(job: Any) -> None:
    last = job.ended(7).splitlines()[-1]
    assert last.startswith("error: the disk is full")
    assert "free some space" in last


def test_a_file_that_may_not_grow_is_a_full_disk(
    start: Any, undisturbed: Any, same: Any, is_long: bool
) -> None:
    job = start("run", points=[(WRITE_STEPS, 4, signal.SIGKILL)])
    job.ended(-signal.SIGKILL)
    before = _sound(job.model_dir)
    (size,) = {path.stat().st_size for path in job.model_dir.rglob("last-*/variables.data*")}
    _full(start("run", file_bytes=size - 1000))
    assert _sound(job.model_dir) == before
    if is_long:
        start("run").ended(0)
        same(job.model_dir, undisturbed("float32"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a file system takes root's rights")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(disk: Path, left: int) -> None:
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(shutil.disk_usage(disk).free - left))


@pytest.mark.parametrize("asked_to_leave", [False, True])
def test_a_disk_that_fills_up_during_a_save_keeps_the_checkpoint_before_it(
    start: Any, undisturbed: Any, same: Any, disk: Path, asked_to_leave: bool, is_long: bool
) -> None:
    """Also where SIGTERM was the reason to save: 42 would say that the state is safe."""
    if asked_to_leave and not is_long:
        pytest.skip("make faults runs it")
    job = start("disk/run", points=[(WRITE_STEPS, 4, signal.SIGKILL)])
    job.ended(-signal.SIGKILL)
    before = _sound(job.model_dir)
    _fill(disk, left=200_000)
    points = [(WRITE_STEPS, 1, signal.SIGTERM)] if asked_to_leave else []
    _full(start("disk/run", "--save_every_steps=0", points=points))
    assert _sound(job.model_dir) == before
    (disk / "ballast").unlink()
    start("disk/run").ended(0)
    same(job.model_dir, undisturbed("float32"))


def test_a_save_with_any_space_left_fails_or_can_be_read(disk: Path) -> None:
    """The files of a checkpoint, the last one too, are cut at every page in turn."""
    import tensorflow as tf

    variables = {"weights/w": tf.Variable(tf.random.stateless_normal([9000], [1, 2]))}
    about: dict[str, Any] = {"config": {}, "model": {}, "class_names": [], "preparation": {}}
    about |= {"data_fingerprint": "0"}
    saved = 0
    for pages in range(20):
        _fill(disk, left=4096 * pages)
        try:
            path = checkpoints.save(disk, "last", pages, variables, about, keep=1)
        except (OSError, tf.errors.OpError):
            assert not (disk / f"last-{pages:06d}").exists()
        else:
            found = {"weights/w": tf.Variable(tf.zeros([9000]))}
            checkpoints.restore(path, found)
            assert bool(tf.reduce_all(found["weights/w"] == variables["weights/w"]))
            saved += 1
            shutil.rmtree(path)
        (disk / "ballast").unlink()
    assert 0 < saved < 20
