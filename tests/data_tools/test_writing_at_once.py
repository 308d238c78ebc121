"""Shards are written several at a time, of the records of pass 1."""

import errno
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from catdog.errors import Preempted
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


def test_one_that_cannot_be_written_stops_the_build_and_the_next_one_mends_it(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_shard(task: Any, records: Any) -> Any:
        if task.path.name.startswith("catdog-train.tfrecord-00001"):
            raise OSError(errno.ENOSPC, "no space")
        return real(task, records)

    real = writer.write_shard
    three = config(pictures, "three", 3)
    with monkeypatch.context() as patch:
        patch.setattr(writer, "write_shard", write_shard)
        with pytest.raises(OSError, match="no space"):
            build_tfrecords.main(three)
    folder = pictures.parent
    commits = folder / ".three.partial" / "commits"
    assert [path.name[:27] for path in commits.iterdir()] == ["catdog-train.tfrecord-00000"]
    assert not (folder / "three").exists()
    build_tfrecords.main(three)
    build_tfrecords.main(config(pictures, "one", 1))
    assert contents(folder / "three") == contents(folder / "one")


def test_a_signal_is_heard_between_two_records(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def record(self: State, picture: Any) -> Any:
        read.append(picture)
        if len(read) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
        return real(self, picture)

    real = State.record
    monkeypatch.setattr(State, "record", record)
    with pytest.raises(Preempted):
        build_tfrecords.main(config(pictures, "data", 2))
    assert 4 <= len(read) <= 10
    assert not list((pictures.parent / ".data.partial" / "commits").iterdir())
    monkeypatch.undo()
    build_tfrecords.main(config(pictures, "data", 2))


def test_no_thread_writes_any_more_when_a_signal_follows_an_error(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = []

    def write_shard(task: Any, records: Any) -> Any:
        writing.append(task)
        try:
            if task.path.name.startswith("catdog-train.tfrecord-00000"):
                threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
                raise OSError(errno.ENOSPC, "no space")
            time.sleep(1.0)
            return real(task, records)
        finally:
            writing.remove(task)

    real = writer.write_shard
    monkeypatch.setattr(writer, "write_shard", write_shard)
    with pytest.raises(Preempted):
        build_tfrecords.main(config(pictures, "data", 3))
    assert not writing


def test_no_thread_writes_any_more_when_a_commit_fails(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing = []

    def slow(task: Any, records: Any) -> Any:
        writing.append(task)
        try:
            if not task.path.name.startswith("catdog-train.tfrecord-00000"):
                time.sleep(0.5)
            return real(task, records)
        finally:
            writing.remove(task)

    def commit(self: State, written: Any) -> None:
        raise OSError(errno.ENOSPC, f"no space while {len(writing)} write")

    real = writer.write_shard
    monkeypatch.setattr(writer, "write_shard", slow)
    monkeypatch.setattr(State, "commit", commit)
    with pytest.raises(OSError, match="no space while [1-9] write") as caught:
        build_tfrecords.main(config(pictures, "data", 3))
    assert not writing
    assert caught.value.__traceback__ is not None  # held until here, with all that it holds
