"""What a worker process does: answers batches of tasks, within limits of memory and time.

A decoder is C code that strangers' bytes go through. What it cannot survive ends this process and
no other; the process that started it sees how it ended, and which tasks it had.
"""

import contextlib
import os
import queue
import resource
import signal
import threading
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

# Here, so that the memory of numpy and Pillow themselves is none of the pictures' share.
from data_tools import _prepare  # noqa: F401

# How a worker says that a task asked for more memory than it may have.
OUT_OF_MEMORY = 71


def _limit_memory(more_bytes: int) -> None:
    """Lets this process write to so many bytes more than it has now.

    RLIMIT_DATA counts what a process may write to, which bounds what is resident. RLIMIT_AS would
    count what libraries reserve and never touch, which differs from machine to machine.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        has = 1024 * int(lines["VmData"].split()[0])
    except (OSError, KeyError):
        return  # not Linux: the budget that pictures are held to by their headers has to do
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = has + more_bytes
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _receive(connection: Connection, requests: "queue.SimpleQueue[Any]") -> None:
    """Queues what arrives; ends this process when the one that started it is gone."""
    try:
        while True:
            requests.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)


def _answer(results: Iterator[Any], cpu_seconds: float) -> tuple[bool, Any]:
    """(True, the next result) or (False, the exception)."""
    # Unhandled, the signal ends the process inside of C code, too. Processor time, so that a busy
    # or suspended machine rejects no picture.
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        return True, next(results)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except BaseException as error:
        if not isinstance(error, OSError) and type(error).__module__ == "builtins":
            error.add_note(traceback.format_exc())  # the other process cannot see this one's
        return False, error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def serve(descriptor: int) -> None:
    """Answers (function, tasks, seconds), until the end.

    A first message (source, memory, warm) tells what tasks are about and how much memory they may
    have beside what `warm(source)` takes. A task that takes more than so many seconds of processor
    time ends this process; 0 is for as many as it takes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starter ends its workers, and says so
    connection = Connection(descriptor)
    try:
        source, more_bytes, warm = connection.recv()
    except (EOFError, OSError):
        os._exit(0)
    with contextlib.suppress(Exception):  # whatever it is, the first task meets it, too
        warm(source)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(more_bytes)
    with contextlib.suppress(OSError):  # whoever started it may be gone
        connection.send("ready")
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, requests), daemon=True).start()
    while True:
        function, tasks, cpu_seconds = requests.get()
        each = getattr(function, "each", None)
        results = each(source, tasks) if each else (function(source, task) for task in tasks)
        answers = []
        for _ in tasks:
            answers.append(_answer(results, cpu_seconds))
            if not answers[-1][0]:
                break
        try:
            connection.send(answers)
        except OSError:
            os._exit(0)
