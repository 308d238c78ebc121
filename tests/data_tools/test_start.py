"""A fork that works for a build shares nothing with it, and does what a bare interpreter does."""

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from data_tools import _start, build_tfrecords, sample
from data_tools.config import BuildConfig

HERE = str(Path(__file__).parent)
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no worker is a fork")

# Says what the forks of a process that is busy with nothing else are, and ends.
SCRIPT = """
import fcntl, json, os, signal, sys
from data_tools import _start
from data_tools._workers import Limits, workers
from data_tools.sources import open_source
sys.path.insert(0, sys.argv[1])
import worker_acts
signal.signal(signal.SIGTERM, lambda *_: None)
held = open(sys.argv[2] + "/held", "w")
fcntl.flock(held, fcntl.LOCK_EX)
assert _start.can_fork()
source = open_source(sys.argv[2], layout="kaggle")
lost = lambda task, reason: f"lost {task}: {reason}"
with workers(source, 2, Limits(more_bytes=64 * 2**20)) as pool:
    pool.start()
    begun = [process.process.pid for process in pool._processes]
    tasks = ["segfault" if n == 13 else "memory" if n == 21 else str(n) for n in range(40)]
    found = {
        "about": list(pool.map(worker_acts.about, ["1", "2"], lost=lost)),
        "acts": list(pool.map(worker_acts.act, tasks, lost=lost, batch=4)),
    }
    found |= {"begun": begun, "bare": [type(p.process).__name__ for p in pool._processes]}
with workers(source, 1) as pool:
    pool.start()
    found["faults"] = list(pool.map(worker_acts.page_faults, ["cat.0.jpg"], lost=lost))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the script says."""
    folder = tmp_path_factory.mktemp("forks")
    for name in ("cat.0.jpg", "dog.0.jpg"):
        Image.linear_gradient("L").resize((1200, 900)).convert("RGB").save(folder / name)
    command = [sys.executable, "-c", SCRIPT, HERE, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@linux
def test_forks_do_what_they_are_given_and_a_lost_one_is_replaced(forks: dict[str, Any]) -> None:
    acts = forks["acts"]
    assert acts.pop(21) == "lost memory: takes more memory than a picture may have"
    assert acts.pop(13) == "lost segfault: ends the decoder (Segmentation fault)"
    assert acts == [f"did {n}" for n in range(40) if n not in (13, 21)]
    assert "Popen" in forks["bare"]  # what a long scan has in memory by then is not carried along


@linux
def test_a_fork_holds_nothing_of_the_process_that_began_it(forks: dict[str, Any]) -> None:
    for about in forks["about"]:
        assert about["pid"] in forks["begun"]
        assert about["session"] == about["pid"]
        assert about["threads"] == 2  # one answers, one listens
        assert about["files"][:3] == ["/dev/null", about["files"][2], about["files"][2]]
        assert [name.partition(":")[0] for name in about["files"][3:]] == ["socket"]
        assert about["SIGTERM"] == int(signal.SIG_DFL)


@linux
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is told to")
def test_a_fork_keeps_the_memory_of_one_picture_for_the_next(forks: dict[str, Any]) -> None:
    assert forks["faults"][0] < 1200 * 900 * 4 / 4096 / 10


@linux
def test_forks_end_with_the_process_that_began_them(tmp_path: Path) -> None:
    (tmp_path / "cat.0.jpg").write_bytes(b"")
    (tmp_path / "dog.0.jpg").write_bytes(b"")
    script = SCRIPT.split("    tasks =")[0] + "    print(json.dumps(begun), flush=True)\n"
    script += '    list(pool.map(worker_acts.act, ["hang"], lost=lost))\n'
    command = [sys.executable, "-c", script, HERE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as begun:
        assert begun.stdout is not None
        workers = json.loads(begun.stdout.readline())
        begun.kill()
    late = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() and _state(pid) != "Z" for pid in workers):
        assert time.monotonic() < late, "they outlive it"
        time.sleep(0.01)


def _state(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "Z"


def _other_matrices(**_: object) -> dict[str, Any]:
    return {"Build Dependencies": {"blas": {"name": "mkl"}}}


MORE_AT_WORK: dict[str, tuple[Any, str, Any]] = {
    "threads": (threading, "active_count", lambda: 2),
    "macOS": (sys, "platform", "darwin"),
    "TensorFlow": (_start, "_HEAVY", {"threading"}),
    "MKL": (_start.np, "show_config", _other_matrices),
}


@pytest.mark.parametrize("kind", MORE_AT_WORK)
def test_nothing_is_forked_where_more_is_at_work(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(_start, "_HEAVY", set())
    assert _start.can_fork()
    monkeypatch.setattr(*MORE_AT_WORK[kind])
    assert not _start.can_fork()


@linux
@pytest.mark.parametrize("decoder", ["pillow", "fast"])
def test_forks_and_bare_interpreters_build_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: str
) -> None:
    if decoder == "fast":
        pytest.importorskip("simplejpeg")
        pytest.importorskip("cykooz_resizer")
    source = str(tmp_path / "pictures")
    sample.main(sample.Config(output_dir=source, pictures=60, broken=3))
    flags = [f"--source={source}", "--workers=2", f"--decoder={decoder}", "--image_size=64"]
    command = [sys.executable, "-m", "data_tools.build_tfrecords", *flags]
    subprocess.run([*command, f"--output_dir={tmp_path}/forked"], check=True, capture_output=True)
    monkeypatch.setattr(_start, "can_fork", lambda: False)
    config = BuildConfig(
        source=source, output_dir=f"{tmp_path}/bare", workers=2, decoder=decoder, image_size=64
    )
    build_tfrecords.main(config)
    made = [
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("forked", "bare")
    ]
    assert made[0] == made[1]


def test_how_a_fork_ended_is_told_as_subprocess_tells_it() -> None:
    sleeps = [sys.executable, "-c", "import time; time.sleep(100)"]
    child = _start._Forked(os.posix_spawn(sys.executable, sleeps, {}))
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    child.kill()
    assert child.wait() == -signal.SIGKILL == child.wait(0.1)
    child.kill()  # sends nothing to whoever has that number by now
