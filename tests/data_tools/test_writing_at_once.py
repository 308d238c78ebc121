"""Shards are written by the workers, of the records of pass 1."""

import errno
import importlib
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from catdog.errors import Preempted, ResourceError
from data_tools import build_tfrecords, writer
from data_tools._state import State
from data_tools.config import BuildConfig


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        shade = Image.new("RGB", (9, 9), (number, number, number))
        shade.save(folder / f"{('cat', 'dog')[number % 2]}.{number}.jpg", "PNG")
    return folder


def config(pictures: Path, name: str, workers: int) -> BuildConfig:
    return BuildConfig(
        source=str(pictures),
        output_dir=str(pictures.parent / name),
        image_size=16,
        num_shards=("3",),
        workers=workers,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def copy_as(patch: pytest.MonkeyPatch, name: str) -> None:
    """Lets workers copy as this class of `worker_acts` does, which they find by its name."""
    patch.syspath_prepend(str(Path(__file__).parent))
    patch.setattr(writer, "Copying", getattr(importlib.import_module("worker_acts"), name))


def check_the_next_one_mends_it(pictures: Path, name: str) -> None:
    folder = pictures.parent
    assert not (folder / name).exists()
    partial = folder / f".{name}.partial"
    assert not list((partial / "data").glob(".*"))
    build_tfrecords.main(config(pictures, name, 3))
    build_tfrecords.main(config(pictures, "undisturbed", 1))
    assert contents(folder / name) == contents(folder / "undisturbed")
    assert not partial.exists()


def commits(pictures: Path, name: str) -> list[str]:
    folder = pictures.parent / f".{name}.partial" / "commits"
    # not one that is being written
    return sorted(path.name[:27] for path in folder.glob("catdog*"))


def test_one_that_cannot_be_written_stops_the_build_and_the_next_one_mends_it(
    pictures: Path,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        copy_as(patch, "Refused")
        with pytest.raises(OSError, match="no space"):
            build_tfrecords.main(config(pictures, "data", 3))
    assert commits(pictures, "data") == ["catdog-train.tfrecord-00000"]
    check_the_next_one_mends_it(pictures, "data")


def test_a_process_that_dies_of_a_shard_stops_the_build_and_the_next_one_mends_it(
    pictures: Path,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        copy_as(patch, "Deadly")
        with pytest.raises(ResourceError, match=r"rd-00001-of-00003 cannot be written: .*Killed"):
            build_tfrecords.main(config(pictures, "data", 2))
    assert commits(pictures, "data") == ["catdog-train.tfrecord-00000"]
    check_the_next_one_mends_it(pictures, "data")


def is_gone(log: Path) -> bool:
    """Whether there is no process any more of the number in the file."""
    status = Path("/proc", log.read_text(), "stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_signal_ends_whoever_writes(pictures: Path) -> None:
    log = pictures.parent / ".data.partial" / "endless"

    def end() -> None:
        while not (log.exists() and commits(pictures, "data")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        copy_as(patch, "Endless")
        thread = threading.Thread(target=end)
        thread.start()
        with pytest.raises(Preempted):
            build_tfrecords.main(config(pictures, "data", 2))
        thread.join()
    assert is_gone(log)
    assert commits(pictures, "data") == ["catdog-train.tfrecord-00000"]
    check_the_next_one_mends_it(pictures, "data")


def test_nobody_writes_any_more_when_a_commit_fails(pictures: Path) -> None:
    def commit(self: State, written: Any) -> None:
        raise OSError(errno.ENOSPC, "no space for a commit")

    with pytest.MonkeyPatch.context() as patch:
        copy_as(patch, "Endless")
        patch.setattr(State, "commit", commit)
        with pytest.raises(OSError, match="no space for a commit"):
            build_tfrecords.main(config(pictures, "data", 2))
    assert is_gone(pictures.parent / ".data.partial" / "endless")
    assert not commits(pictures, "data")
    check_the_next_one_mends_it(pictures, "data")
