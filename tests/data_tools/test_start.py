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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from data_tools import _start, _state, build_tfrecords, sample
from data_tools._workers import Workers
from data_tools.config import BuildConfig

HERE = str(Path(__file__).parent)
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no worker is a fork")

# The beginning of a process whose workers are forks.
BEGIN = """
import fcntl, json, os, signal, sys
from data_tools import _start
from data_tools._limits import Limits
from data_tools._workers import workers
from data_tools.sources import open_source
sys.path.insert(0, sys.argv[1])
import worker_acts
signal.signal(signal.SIGTERM, lambda *_: None)
held = open(sys.argv[2] + "/held", "w")
fcntl.flock(held, fcntl.LOCK_EX)
assert _start.can_fork()
source = open_source(sys.argv[2], layout="kaggle")
lost = lambda task, reason: f"lost {task}: {reason}"
"""

# Says what the forks are, do, and leave undone.
ALL = (
    BEGIN
    + """
with workers(source, 2) as pool:
    pool.start()
    begun = [process.process.pid for process in pool._processes]
    found = {
        "begun": begun,
        "about": list(pool.map(worker_acts.about, ["1", "2"], lost=lost)),
        "page faults": list(pool.map(worker_acts.page_faults, ["cat.0.jpg"], lost=lost)),
    }
for kind in sys.argv[3:]:
    tasks = [kind if number == 13 else str(number) for number in range(40)]
    seconds = {"wall_seconds": 1.5} if kind == "hang" else {"cpu_seconds": 1.0}
    with workers(source, 2, Limits(more_bytes=64 * 2**20, **seconds)) as pool:
        pool.start()
        assert {type(process.process) for process in pool._processes} == {_start._Forked}
        batch = 1 if kind == "hang" else 4
        found[kind] = list(pool.map(worker_acts.act, tasks, lost=lost, batch=batch))
        found["at last"] = [type(process.process).__name__ for process in pool._processes]
print(json.dumps(found))
"""
)

# Says who its workers are once one of them hangs, and is killed then.
HANGS = (
    BEGIN
    + """
with workers(source, 2) as pool:
    pool.start()
    list(pool.map(worker_acts.act, ["1", "2"], lost=lost))
    print(json.dumps([process.process.pid for process in pool._processes]), flush=True)
    list(pool.map(worker_acts.act, ["hang at " + sys.argv[2] + "/hangs", "3"], lost=lost))
"""
)


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory, endings: dict[str, str]) -> dict[str, Any]:
    """What the script says."""
    folder = tmp_path_factory.mktemp("forks")
    for name in ("cat.0.jpg", "dog.0.jpg"):
        Image.linear_gradient("L").resize((1200, 900)).convert("RGB").save(folder / name)
    command = [sys.executable, "-c", ALL, HERE, str(folder), *endings]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@linux
@pytest.mark.faults
def test_a_task_that_ends_a_fork_is_lost_and_no_other(
    forks: dict[str, Any], ending: str, endings: dict[str, str]
) -> None:
    acts = [*forks[ending]]
    assert acts.pop(13) == f"lost {ending}: {endings[ending]}"
    assert acts == [f"did {n}" for n in range(40) if n != 13]
    assert "Popen" in forks["at last"]  # a fork would carry along what a long scan has by then


@linux
def test_a_fork_holds_nothing_of_the_process_that_began_it(forks: dict[str, Any]) -> None:
    for about in forks["about"]:
        assert about["pid"] in forks["begun"]
        assert about["session"] == about["pid"]
        assert about["threads"] == 2  # one answers, one listens
        assert about["files"][:3] == ["/dev/null", about["files"][2], about["files"][2]]
        assert [name.partition(":")[0] for name in about["files"][3:]] == ["socket"]
        assert about["SIGTERM"] == int(signal.SIG_DFL)
        assert about["blocked"] == 0


@linux
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is told to")
def test_a_fork_keeps_the_memory_of_one_picture_for_the_next(forks: dict[str, Any]) -> None:
    assert forks["page faults"][0] < 1200 * 900 * 4 / 4096 / 10


@linux
def test_forks_end_with_the_process_that_began_them(tmp_path: Path) -> None:
    (tmp_path / "cat.0.jpg").write_bytes(b"")
    (tmp_path / "dog.0.jpg").write_bytes(b"")
    command = [sys.executable, "-c", HANGS, HERE, str(tmp_path)]
    late = time.monotonic() + 60
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as begun:
        assert begun.stdout is not None
        forks = json.loads(begun.stdout.readline())
        while not (tmp_path / "hangs").exists():
            assert time.monotonic() < late
            time.sleep(0.01)
        assert len(forks) == 2 and not {_kind(pid) for pid in forks} & {"Z", "gone"}
        begun.kill()
    while {_kind(pid) for pid in forks} - {"Z", "gone"}:
        assert time.monotonic() < late, "they outlive it"
        time.sleep(0.01)


def _kind(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return "gone"


def _matrices(name: str) -> Callable[..., dict[str, Any]]:
    return lambda **_: {"Build Dependencies": {"blas": {"name": name}}}


# Where no worker is to be a fork: what to set.
MORE_AT_WORK: dict[str, tuple[Any, str, Any]] = {
    "threads": (threading, "active_count", lambda: 2),
    "not the main one": (threading, "current_thread", object),
    "macOS": (sys, "platform", "darwin"),
    "TensorFlow": (sys, "modules", {"tensorflow": None}),
    "MKL": (_start.np, "show_config", _matrices("mkl")),
    "a large process": (_start, "_resident", lambda: 200 * 2**20),
}


@pytest.mark.parametrize("kind", MORE_AT_WORK)
def test_nothing_is_forked_where_more_is_at_work(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "linux")
        patch.setattr(threading, "active_count", lambda: 1)
        patch.setattr(threading, "current_thread", threading.main_thread)
        patch.setattr(_start.np, "show_config", _matrices("scipy-openblas"))
        patch.setattr(sys, "modules", {})
        patch.setattr(_start, "_resident", lambda: 50 * 2**20)
        assert _start.can_fork()
        patch.setattr(*MORE_AT_WORK[kind])
        assert not _start.can_fork()


# The command itself, where its workers are forks.
COMMAND = "from data_tools import _start, build_tfrecords; assert _start.can_fork(); "
COMMAND += "build_tfrecords.run()"


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
    command = [sys.executable, "-c", COMMAND, *flags, f"--output_dir={tmp_path}/forked"]
    subprocess.run(command, check=True, capture_output=True)
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


# What the command may meet, before it: a shell that ignores the ends of its children, a machine
# that has no memory for a fork, a signal in the moment of a fork, garbage that closes a file.
CIRCUMSTANCES = {
    "ends ignored": "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n",
    "no memory": "import errno\ndef fork(): raise OSError(errno.ENOMEM, '')\nos.fork = fork\n",
    "a signal": "os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), 15))\n",
    "garbage": "import gc\ngc.disable()\n"
    "for n in range(9):\n    x = [open(os.devnull)]\n    x.append(x)\ndel x\n",
}


@linux
@pytest.mark.parametrize("kind", CIRCUMSTANCES)
def test_a_build_meets_odd_circumstances(tmp_path: Path, kind: str) -> None:
    source = str(tmp_path / "pictures")
    sample.main(sample.Config(output_dir=source, pictures=40))
    code = "import os\n" + CIRCUMSTANCES[kind] + COMMAND
    flags = [f"--source={source}", f"--output_dir={tmp_path}/data", "--workers=2"]
    command = [sys.executable, "-c", code, *flags, "--image_size=32"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"kept": 40') == 1
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pictures"]


def test_standard_files_that_are_closed_are_held() -> None:
    code = "import os; from data_tools import _start; os.close(0); os.close(2)\n"
    code += (
        "_start.hold_standard_files(); print([os.readlink(f'/proc/self/fd/{n}') for n in (0, 2)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['/dev/null', '/dev/null']"


def test_no_worker_holds_a_file_that_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    real_close, real_clear = Workers.close, _state.clear
    monkeypatch.setattr(Workers, "close", lambda self: order.append("close") or real_close(self))
    monkeypatch.setattr(_state, "clear", lambda work: order.append("clear") or real_clear(work))
    sample.main(sample.Config(output_dir=str(tmp_path / "pictures"), pictures=24))
    build_tfrecords.main(
        BuildConfig(
            source=str(tmp_path / "pictures"), output_dir=str(tmp_path / "data"), image_size=32
        )
    )
    assert order[-3:-1] == ["close", "clear"]  # then all is left


def test_how_a_fork_ended_is_told_as_subprocess_tells_it() -> None:
    sleeps = [sys.executable, "-c", "import time; time.sleep(100)"]
    child = _start._Forked(os.posix_spawn(sys.executable, sleeps, {}))
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.01)
    child.kill()
    assert child.wait() == -signal.SIGKILL == child.wait(0.1)
    child.kill()  # sends nothing to whoever has that number by now
    gone = _start._Forked(child.pid)  # as if another one had taken how it ended
    gone.kill()
    assert gone.wait(0.1) == 0
