"""A disk that is full leaves nothing under a final name, and the build goes on once it is not."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-m", "data_tools.build_tfrecords"]


def jpeg(seed: int, side: int = 24) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).save(stream, "JPEG")
    return stream.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def flags(pictures: Path, output: Path, **more: Any) -> list[str]:
    given = {"source": pictures, "output_dir": output, "image_size": 64, "num_shards": 2} | more
    return [f"--{name}={value}" for name, value in given.items()]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(40):
        name = ("cat", "dog")[number % 2]
        (folder / f"{name}.{number}.jpg").write_bytes(jpeg(number))
    return folder


# The limit would meet the file of a coverage measurement too.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name[:3] != "COV"}

# Files up to so many bytes: what a build notes fits, 10 pictures of more than 3 kB do not.
FULL = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000))
runpy.run_module("data_tools.build_tfrecords", run_name="__main__", alter_sys=True)
"""

# The disk takes every byte and refuses when they have to be on it, as network file systems do.
FULL_AT_CLOSE = """
import errno, os, runpy
real = os.fsync
def fsync(descriptor):
    if "tfrecord" in os.readlink(f"/proc/self/fd/{descriptor}"):
        raise OSError(errno.ENOSPC, "No space left on device")
    real(descriptor)
os.fsync = fsync
runpy.run_module("data_tools.build_tfrecords", run_name="__main__", alter_sys=True)
"""


# How the disk is full, and flags. Where less than half of what is read will be stored, no worker
# keeps a record, and the first large file is a shard.
FULL_DISKS: dict[str, tuple[str, dict[str, Any]]] = {
    "a worker's records": (FULL, {}),
    "a shard": (FULL, {"splits": "train=10,test=8", "num_shards": 1}),
    "a shard that is flushed": (FULL_AT_CLOSE, {}),
}


@pytest.mark.parametrize("kind", FULL_DISKS)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_exits_7_and_leaves_nothing_under_a_final_name(
    pictures: Path, tmp_path: Path, workers: int, kind: str
) -> None:
    output = tmp_path / "data"
    code, more = FULL_DISKS[kind]
    command = [sys.executable, "-c", code, *flags(pictures, output, workers=workers, **more)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT)
    assert done.returncode == 7, done.stderr
    assert "error: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [".data.partial", "pictures"]
    work = tmp_path / ".data.partial"
    assert list((work / "data").iterdir()) == []
    assert (work / "plan.json").exists() == (kind != "a worker's records")
    assert (work / "records").exists() == (kind != "a shard")
    for folder in ("data", "undisturbed"):
        command = COMMAND + flags(pictures, tmp_path / folder, workers=workers, **more)
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    assert contents(output) == contents(tmp_path / "undisturbed")
    assert not (tmp_path / ".data.partial").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 kB; a build of the pictures needs 200."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_small_disk_exits_7_and_more_room_is_all_that_it_takes(
    pictures: Path, tmp_path: Path, small_disk: Path
) -> None:
    command = COMMAND + flags(pictures, small_disk / "data", workers=2)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT)
    assert done.returncode == 7, done.stderr
    assert "error: the disk is full" in done.stderr
    assert not (small_disk / "data").exists()
    remount = ["mount", "-o", "remount,size=4m", str(small_disk)]
    subprocess.run(remount, check=True, capture_output=True)
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    command = COMMAND + flags(pictures, tmp_path / "undisturbed", workers=2)
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    assert contents(small_disk / "data") == contents(tmp_path / "undisturbed")
    assert [path.name for path in small_disk.iterdir()] == ["data"]
