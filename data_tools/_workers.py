"""Worker processes that share one source; their results come back in the order of the tasks."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import TypeVar

from catdog.errors import ResourceError
from data_tools.sources import Source

Task = TypeVar("Task")
Result = TypeVar("Result")

# The source of this worker process, set once when the process starts.
_sources: list[Source] = []


def core_count() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_with_parent(parent: Connection) -> None:
    """Ends this process when the other end of the pipe is closed, or its process was killed."""
    multiprocessing.connection.wait([parent])
    os._exit(1)


def _start(source: Source, parent: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the pool, and says so
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    _sources.append(source)


def _run(function: Callable[[Source, Task], Result], task: Task) -> Result:
    return function(_sources[0], task)


class Workers:
    """Runs functions of (source, task), in this process (one worker) or in a pool of others."""

    def __init__(self, source: Source, count: int) -> None:
        """Starts `count` processes; none when it is 1."""
        self._source = source
        self._pool: futures.ProcessPoolExecutor | None = None
        self._theirs, self._ours = multiprocessing.Pipe(duplex=False)
        if count > 1:
            self._pool = futures.ProcessPoolExecutor(
                count,
                # fork would copy whatever threads and locks the caller's process has
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(source, self._theirs),
            )

    def map(
        self, function: Callable[[Source, Task], Result], tasks: Sequence[Task]
    ) -> Iterator[Result]:
        """The result of each task, in the order of the tasks.

        Raises:
          ResourceError: a worker process died.
        """
        if self._pool is None:
            for task in tasks:
                yield function(self._source, task)
            return
        waiting = [self._pool.submit(_run, function, task) for task in tasks]
        try:
            for future in waiting:
                yield future.result()
        except BrokenProcessPool:
            raise ResourceError(
                "a worker process died, most often for lack of memory; use fewer --workers"
            ) from None

    def close(self) -> None:
        """Ends the processes; the tasks are done."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._ours.close()
        self._theirs.close()

    def abandon(self) -> None:
        """Ends the processes in the middle of whatever they are at."""
        self._ours.close()
        self.close()


@contextlib.contextmanager
def workers(source: Source, count: int) -> Iterator[Workers]:
    """Workers for the time of the body; a failure in it does not wait for their tasks."""
    pool = Workers(source, count)
    try:
        yield pool
    except BaseException:
        pool.abandon()
        raise
    pool.close()
