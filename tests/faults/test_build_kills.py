"""A build that is killed, ended or interrupted anywhere: nothing half-made, and it goes on."""

import io
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catdog import schema

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads Linux's /proc"),
]

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-m", "data_tools.build_tfrecords"]
ROUNDS = 25 if os.environ.get("CATDOG_FAULTS") == "long" else 5

# A build that is killed as soon as three of its shards are finished.
DIES = """
import os
from data_tools import _state, build_tfrecords

def commit(self, written):
    real(self, written)
    if len(list((self.work / "commits").iterdir())) == 3:
        os.kill(os.getpid(), 9)

real, _state.State.commit = _state.State.commit, commit
build_tfrecords.run()
"""


def jpeg(seed: int, side: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def flags(pictures: Path, output: Path, **more: Any) -> list[str]:
    given = {"source": pictures, "output_dir": output, "image_size": 16, "workers": 2} | more
    return COMMAND + [f"--{name}={value}" for name, value in given.items()]


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


def start(command: list[str], mark: str) -> "subprocess.Popen[str]":
    environment = os.environ | {"CATDOG_TEST_MARK": mark}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def await_no_process(mark: str) -> None:
    deadline = time.monotonic() + 30
    while marked(f"CATDOG_TEST_MARK={mark}"):
        assert time.monotonic() < deadline, "a worker outlives its build"
        time.sleep(0.02)


def finished_shards(output: Path) -> int:
    return len(list((output.parent / f".{output.name}.partial" / "commits").glob("c*.json")))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 pictures of which each takes some 4 ms, and a broken one."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(200):
        name = ("cat", "dog")[number % 2]
        (folder / f"{name}.{number}.jpg").write_bytes(jpeg(number, side=240))
    (folder / "dog.200.jpg").write_bytes(jpeg(7, side=240)[:-300])
    return folder


@pytest.fixture(scope="module")
def undisturbed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The data set that a build makes which nobody disturbs, and its seconds."""
    output = tmp_path_factory.mktemp("undisturbed") / "data"
    began = time.monotonic()
    subprocess.run(flags(pictures, output, num_shards=4), cwd=ROOT, check=True, capture_output=True)
    return output, time.monotonic() - began


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_build_killed_at_any_moment_leaves_nothing_half_made_and_goes_on(
    pictures: Path, undisturbed: tuple[Path, float], tmp_path: Path, rng: random.Random, number: int
) -> None:
    whole, seconds = undisturbed
    moment = rng.uniform(0.1, 1.1) * seconds
    output = tmp_path / "data"
    command = flags(pictures, output, num_shards=4)
    build = start(command, str(tmp_path))
    time.sleep(moment)
    build.send_signal(signal.SIGKILL)
    build.communicate()
    await_no_process(str(tmp_path))
    had = finished_shards(output)
    print(f"{number}: killed after {moment:.2f} of {seconds:.2f} s, {had} shards done")
    if output.exists():
        assert contents(output) == contents(whole)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert contents(output) == contents(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_finished_shards_are_not_made_again_and_leftovers_vanish(
    pictures: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    output = tmp_path / "data"
    command = flags(pictures, output, num_shards=8)
    done = subprocess.run([sys.executable, "-c", DIES, *command[3:]], cwd=ROOT, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    data = tmp_path / ".data.partial" / "data"
    # The next ones may be written at the same time; without a commit record they are not finished.
    finished = {path.stem for path in (data.parent / "commits").iterdir()}
    assert len(finished) == 3
    shards = sorted(path for path in data.glob("catdog-*") if path.name in finished)
    assert len(shards) == 3
    (data / ".old.partial").write_bytes(b"of a dead build")
    (data / "old").mkdir()
    # One finished shard is damaged, its size kept: only its sha256 tells.
    damaged = shards[0]
    damaged.write_bytes(b"?" + damaged.read_bytes()[1:])
    nodes = {path.name: path.stat().st_ino for path in shards[1:3]}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "going on: " in done.stderr
    assert {name: (output / name).stat().st_ino for name in nodes} == nodes
    for file in contents(output):
        assert not file.startswith(".") and file != "old"
    for split in schema.read_manifest(output).splits.values():
        schema.check_files(output, split)
    again = tmp_path / "again" / "data"
    subprocess.run(flags(pictures, again, num_shards=8), cwd=ROOT, check=True, capture_output=True)
    assert contents(output) == contents(again)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 42), (signal.SIGINT, 130)])
def test_a_build_that_is_told_to_end_does_so_at_once_and_says_how_to_go_on(
    pictures: Path, undisturbed: tuple[Path, float], tmp_path: Path,
    number: signal.Signals, code: int,
) -> None:  # fmt: skip
    output = tmp_path / "data"
    command = flags(pictures, output, num_shards=4)
    build = start(command, str(tmp_path))
    deadline = time.monotonic() + 60
    while finished_shards(output) < 1 and time.monotonic() < deadline:
        time.sleep(0.005)
    told = time.monotonic()
    build.send_signal(number)
    said = build.communicate()[1]
    assert time.monotonic() - told < 10
    assert build.returncode == code, said
    assert "interrupted; give the same command to go on" in said
    assert "Traceback" not in said
    await_no_process(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [".data.partial"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert contents(output) == contents(undisturbed[0])
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
