"""How a worker process begins: as a bare interpreter, or as a fork of this process."""

import contextlib
import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from typing import NoReturn, Protocol

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

# A fork has in memory what this process has; numpy and Pillow have some 40 MB.
_LIGHT = 100 * 2**20
# Libraries with threads of their own, and with much more.
_HEAVY = {"tensorflow", "torch", "jax"}
# How often a fork that is to end is looked at, in seconds.
_LOOK = 0.0005


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


def hold_standard_files() -> None:
    """Opens what is closed of stdin, stdout and stderr, so that no other file takes their place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def _resident() -> int:
    """Bytes that this process has in memory; more than any where /proc does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return sys.maxsize


def can_fork() -> bool:
    """Whether a fork of this process is as good as a bare interpreter, and begun much sooner.

    It is where this process is small, Python has no thread beside this one, and numpy's matrix
    library ends its own before a fork, as OpenBLAS does. What other libraries have is not known,
    and a worker uses none of those. macOS' own libraries may not be used after a fork.
    """
    libraries = np.show_config(mode="dicts").get("Build Dependencies", {})
    return (
        sys.platform == "linux"
        and _resident() < _LIGHT
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
            try:
                pid, status = os.waitpid(self.pid, 0 if late is None else os.WNOHANG)
            except ChildProcessError:  # another one took how it ended, or SIGCHLD is ignored
                pid, status = self.pid, 0
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif late is not None and time.monotonic() > late:
                raise subprocess.TimeoutExpired(f"worker {self.pid}", timeout or 0)
            else:
                time.sleep(_LOOK)
        return self._code

    def send_signal(self, sig: int) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
            self.wait(0)  # one that has ended may have given its number to another by now
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def forked(descriptor: int) -> Child:
    """A worker that answers at this descriptor, and knows what this process has imported."""
    # A signal that comes before the child has let go of the handlers would run them there, and what
    # they raise the code below this on the stack.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if not pid:
            _serve(descriptor, before)
    except OSError:  # there is no memory for one as large as this
        return bare(descriptor)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return _Forked(pid)


def _serve(descriptor: int, signals: "set[int | signal.Signals]") -> NoReturn:
    try:
        _begin(descriptor)
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        _worker.serve(descriptor)
    except BaseException:  # whatever it is, the stack below is another process's
        traceback.print_exc()
    finally:
        os._exit(1)


def _begin(descriptor: int) -> None:
    """Lets go, in a fork, of all that the other process holds: memory, signals, files, locks."""
    gc.freeze()  # what is garbage there would close, here, files that have its numbers now
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != descriptor:
            with contextlib.suppress(OSError):  # the one that listed them is closed already
                os.close(int(name))
    with contextlib.suppress(OSError, AttributeError):  # another libc
        library = ctypes.CDLL(None)
        for variable, (parameter, value) in _MEMORY.items():
            if variable not in os.environ:
                library.mallopt(parameter, value)
