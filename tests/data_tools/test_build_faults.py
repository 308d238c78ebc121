"""A full disk or a kill leaves no folder behind that could be taken for a data set."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

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
    given = {"source": pictures, "output_dir": output, "image_size": 16} | more
    return [f"--{name}={value}" for name, value in given.items()]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(40):
        name = ("cat", "dog")[number % 2]
        (folder / f"{name}.{number}.jpg").write_bytes(jpeg(number))
    return folder


FULL = """
import resource, runpy
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
runpy.run_module("data_tools.build_tfrecords", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_exits_7_and_leaves_nothing(
    pictures: Path, tmp_path: Path, workers: int
) -> None:
    command = [sys.executable, "-c", FULL, *flags(pictures, tmp_path / "data", workers=workers)]
    # The limit would meet the file of a coverage measurement too.
    environment = {name: value for name, value in os.environ.items() if name[:3] != "COV"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 7, done.stderr
    assert "error: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def marked(mark: str) -> list[str]:
    """The running processes whose environment holds `mark`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads Linux's /proc")
def test_a_killed_build_leaves_no_folder_and_no_worker_and_can_be_repeated(
    pictures: Path, tmp_path: Path
) -> None:
    mark = f"CATDOG_TEST_MARK={tmp_path}"
    name, value = mark.split("=", 1)
    for number in range(80):  # enough work to be killed in the middle of it
        (pictures / f"dog.{100 + number}.jpg").write_bytes(jpeg(number, side=500))
    command = COMMAND + flags(pictures, tmp_path / "data", workers=2, num_shards=2)
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {name: value}, stderr=subprocess.DEVNULL
    )
    work = tmp_path / ".data.partial"
    deadline = time.monotonic() + 60
    while not list(work.glob(".catdog-*.partial")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not marked(mark)
    assert work.exists()
    assert not (tmp_path / "data").exists()
    for folder in ("data", "undisturbed"):
        again = COMMAND + flags(pictures, tmp_path / folder, workers=2, num_shards=2)
        subprocess.run(again, check=True, capture_output=True, cwd=ROOT)
    assert contents(tmp_path / "data") == contents(tmp_path / "undisturbed")
    assert not work.exists()
