"""What tests let workers do; they import it, so it imports little itself."""

import contextlib
import errno
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catdog import images
from catdog.errors import InputError
from data_tools import _prepare, writer


def act(_: Any, task: str) -> str:
    if task == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif task == "abort":
        os.abort()
    elif task == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif task == "exit":
        os._exit(9)
    elif task == "memory":
        bytearray(80 * 2**20)
    elif task == "loop":
        while True:
            pass
    elif task.startswith("hang"):
        if task.startswith("hang at "):
            Path(task.removeprefix("hang at ")).touch()
        time.sleep(1000)
    elif task == "busy":
        while time.process_time() < 0.5:
            pass
    elif task == "raise":
        raise InputError("this one is raised")
    elif task == "bug":
        raise ValueError("this one is a bug")
    return f"did {task}"


class Sizes:
    """How many tasks came together with each."""

    def each(self, _: Any, tasks: list[int]) -> Iterator[int]:
        yield from [len(tasks)] * len(tasks)

    def __call__(self, source: Any, task: int) -> int:
        raise NotImplementedError


_heard: list[str] = []


def warmed(source: Any) -> None:
    """Notes for which source it is warm, each time."""
    _heard.append(f"warm for {Path(source.path).name}")


def never_warm(_: Any) -> None:
    raise ValueError("this is not told to anybody")


def heard(_: Any, task: int) -> str:
    """What there is in the notes."""
    return " and ".join(_heard) or "cold"


def size(source: Any, locator: str) -> int:
    """How many bytes the file has."""
    return len(source.read(locator))


def threads(_: Any, task: str) -> int:
    """How many threads the worker has."""
    return len(os.listdir("/proc/self/task"))


def page_faults(source: Any, locator: str) -> int:
    """How many pages the system gives for one picture after others of its kind."""
    data = source.read(locator)
    before = 0
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        _prepare.pixel_sums(images.to_record(data).pixels)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def _peak_mib() -> int:
    # Not getrusage: its ru_maxrss begins with what the process had that started this one.
    with open("/proc/self/status") as file:
        lines = dict(line.split(":", 1) for line in file)
    return int(lines["VmHWM"].split()[0]) // 1024


def peak(source: Any, locator: str) -> tuple[str, int]:
    """The reason why the picture is rejected ("" when it is not), and the worker's peak MiB."""
    reason = ""
    try:
        images.to_record(source.read(locator))
    except images.RejectedPicture as error:
        reason = error.reason
    return reason, _peak_mib()


def peak_of_fast(source: Any, locator: str) -> tuple[str, int]:
    """The decoder that was at work, and the worker's peak MiB."""
    decoded = []
    real = images._fast.decoded
    images._fast.decoded = lambda *given: decoded.append(real(*given)) or decoded[-1]
    try:
        images.to_record(source.read(locator), decoder="fast")
    finally:
        images._fast.decoded = real
    return "fast" if any(pixels is not None for pixels in decoded) else "pillow", _peak_mib()


def about(_: Any, task: str) -> dict[str, Any]:
    """What the worker holds."""
    files = []
    for number in sorted(map(int, os.listdir("/proc/self/fd"))):
        with contextlib.suppress(OSError):  # the list itself was read through one
            files.append(os.readlink(f"/proc/self/fd/{number}"))
    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "threads": len(os.listdir("/proc/self/task")),
        "files": files,
        "SIGTERM": int(signal.getsignal(signal.SIGTERM)),
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    }


def _is_second(records: str, copy: writer.Copy) -> bool:
    """Whether it is the second shard of the split train; the first one is committed then."""
    if not copy.path.name.startswith("catdog-train.tfrecord-00001"):
        return False
    while not list((Path(records).parent / "commits").glob("catdog*")):
        time.sleep(0.01)
    return True


class Refused(writer.Copying):
    """Gets the second shard of the split train on no disk."""

    def __call__(self, source: Any, copy: writer.Copy) -> Any:
        if _is_second(self.records, copy):
            raise OSError(errno.ENOSPC, "no space")
        return super().__call__(source, copy)


class Deadly(writer.Copying):
    """Ends with the second shard of the split train."""

    def __call__(self, source: Any, copy: writer.Copy) -> Any:
        if _is_second(self.records, copy):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(source, copy)


class Endless(writer.Copying):
    """Finishes the first shard of the split train alone, once it is at another one as well."""

    def __call__(self, source: Any, copy: writer.Copy) -> Any:
        log = Path(self.records).parent / "endless"
        if not copy.path.name.startswith("catdog-train.tfrecord-00000"):
            copy.path.with_name(f".{copy.path.name}.partial").touch()
            log.write_text(str(os.getpid()))
            time.sleep(1000)
        while not (log.exists() and log.read_text()):
            time.sleep(0.01)
        return super().__call__(source, copy)
