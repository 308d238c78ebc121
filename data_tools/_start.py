"""How a worker process begins: as a bare interpreter, or as a fork of this process."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from typing import Protocol

import numpy as np

from data_tools import _worker

# glibc would give the memory of each picture back to the system and get it again for the next one,
# page by page: that of 2 megapixels or fewer stays. By the name of the variable, the number by
# which mallopt(3) calls it, and the value.
_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": (-3, 4 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": (-1, 16 * 2**20),
}
# What a bare interpreter starts with, where the user has not set it. numpy's matrix library,
# whichever it is, would start a thread for each core.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
} | {name: str(value) for name, (_, value) in _MEMORY.items()}

# Libraries with threads of their own, and with more memory than a worker may have.
_HEAVY = {"tensorflow", "torch", "jax"}
# How often a fork that is to end is looked at, in seconds.
_LOOK = 0.002


class Child(Protocol):
    """A process as `subprocess.Popen` has it."""

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, as subprocess tells it.

        Raises:
          subprocess.TimeoutExpired: it has not.
        """

    def send_signal(self, sig: int) -> None:
        """Sends it this signal, unless it is known to have ended."""

    def kill(self) -> None:
        """Ends it at once."""


def bare(descriptor: int) -> Child:
    """A worker that answers at this descriptor, and shares nothing else with this process.

    A bare interpreter and not multiprocessing's own processes, which import the caller's script
    again, TensorFlow included. In its session no Ctrl-C reaches it.
    """
    code = (
        f"import sys; sys.path[:] = {[os.path.abspath(path) for path in sys.path]!r}; "
        f"from data_tools._worker import serve; serve({descriptor})"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        pass_fds=[descriptor],
        stdin=subprocess.DEVNULL,
        stdout=2,
        env=_ENVIRONMENT | os.environ,
        start_new_session=True,
    )


def can_fork() -> bool:
    """Whether a fork of this process is as good as a bare interpreter, and begun much sooner.

    It is where Python has no thread beside this one, and numpy's matrix library ends its own before
    a fork, as OpenBLAS does. What other libraries have is not known, and a worker uses none of
    those. macOS' own libraries may not be used after a fork.
    """
    libraries = np.show_config(mode="dicts")["Build Dependencies"]
    return (
        sys.platform == "linux"
        and threading.active_count() == 1
        and threading.current_thread() is threading.main_thread()
        and not _HEAVY & {*sys.modules}
        and "openblas" in str(libraries.get("blas", {}).get("name"))
    )


class _Forked:
    """A fork of this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        late = None if timeout is None else time.monotonic() + timeout
        while self._code is None:
            pid, status = os.waitpid(self.pid, 0 if late is None else os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif late is not None and time.monotonic() > late:
                raise subprocess.TimeoutExpired(f"worker {self.pid}", timeout or 0)
            else:
                time.sleep(_LOOK)
        return self._code

    def send_signal(self, sig: int) -> None:
        if self._code is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def forked(descriptor: int) -> Child:
    """A worker that answers at this descriptor, and knows what this process has imported."""
    pid = os.fork()
    if pid:
        return _Forked(pid)
    try:
        _begin(descriptor)
        _worker.serve(descriptor)
    except BaseException:  # whatever it is, the stack below is another process's
        traceback.print_exc()
    finally:
        os._exit(1)


def _begin(descriptor: int) -> None:
    """Lets go, in a fork, of all that the other process holds: files, locks, signals."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))
    with contextlib.suppress(OSError, AttributeError):  # another libc
        library = ctypes.CDLL(None)
        for name, (parameter, value) in _MEMORY.items():
            if name not in os.environ:
                library.mallopt(parameter, value)
