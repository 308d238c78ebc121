"""Worker processes that share one source; their results come back in the order of the tasks.

A worker that dies is replaced, and its tasks are given to the new one, one at a time. A task that
ends a worker which has done nothing before is guilty: it gets what `lost` makes of it. So the
result depends neither on the number of workers nor on what else one of them had at hand.
"""

import contextlib
import itertools
import math
import multiprocessing.connection
import operator
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from catdog.errors import ResourceError
from data_tools import _start, _worker
from data_tools._limits import Job, Limits
from data_tools.sources import Source

Task = TypeVar("Task")
Result = TypeVar("Result")

# Two batches lie at each worker, so that none waits while results are written.
_DEPTH = 2
# Results that wait for an earlier one, in batches of one worker.
_AHEAD = 8
# So many guilty tasks on end, no other between them: then it is the machine, not the pictures.
_GUILTY_ON_END = 20
_FALSE_STARTS = 3
# What a worker in the middle of something gets to leave by itself.
_LEAVE_SECONDS = 0.5


def _nothing(_: Source) -> None:
    """Leaves a worker as it is."""


class _Process:
    """A worker, the batches (number of the first task, tasks) it has, and those only it may do."""

    def __init__(self, begin: Callable[[int], _start.Child], about: tuple[Any, ...]) -> None:
        """Begins it; `about` is what it is to be told first: source, memory, how to be warm."""
        self._about = about
        self._is_told = False
        _start.hold_standard_files()
        self.connection, theirs = multiprocessing.Pipe()
        self.process = begin(theirs.fileno())
        theirs.close()
        self.batches: deque[tuple[int, list[Any]]] = deque()
        self.suspects: deque[tuple[int, Any]] = deque()
        self.ready = False
        self.done = 0
        self.since = time.monotonic()

    def tell(self) -> None:
        if not self._is_told:
            self._send(self._about)
        self._is_told = True

    def give(self, job: Job, first: int, tasks: list[Any]) -> None:
        if not self.batches:
            self.since = time.monotonic()
        self.batches.append((first, tasks))
        self.tell()
        self._send((job.function, tasks, job.cpu_seconds))

    def _send(self, message: tuple[Any, ...]) -> None:
        with contextlib.suppress(OSError):  # one that died is met when it is waited for
            self.connection.send(message)

    def end(self) -> int:
        """How it ended, as subprocess tells it: by itself, now that it is cut off, or killed."""
        self.connection.close()
        try:
            return self.process.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _cause(code: int) -> str:
    """Why a worker ended, in the words of rejects.csv."""
    if code == _worker.OUT_OF_MEMORY:
        return "takes more memory than a picture may have"
    if code == -signal.SIGPROF:
        return "takes more processor time than a picture may have"
    if code == -signal.SIGALRM:
        return "takes more time than a picture may have"
    return f"ends the decoder ({signal.strsignal(-code) if code < 0 else f'exit {code}'})"


class Workers:
    """Runs functions of (source, task) in processes that never import TensorFlow."""

    def __init__(
        self,
        source: Source,
        count: int,
        limits: Limits | None = None,
        warm: Callable[[Source], None] = _nothing,
    ) -> None:
        """`count` processes, started when there is something to do, or by `start`.

        Args:
          warm: what each of them does before its first task; that this fails is of no matter.
        """
        self.source = source
        self._count = count
        self._limits = limits or Limits()
        self._warm = warm
        self._processes: list[_Process] = []
        self._guilty_on_end = self._false_starts = 0

    def start(self) -> None:
        """Starts all processes; while they import what they need, the source may be scanned.

        They are forks of this process where that can be, which has little in memory at this time.
        Later ones never are.
        """
        begin = _start.forked if _start.can_fork() else _start.bare
        while len(self._processes) < self._count:
            self._processes.append(self._process(begin))

    def _process(self, begin: Callable[[int], _start.Child] = _start.bare) -> _Process:
        return _Process(begin, (self.source, self._limits.more_bytes, self._warm))

    def tell(self) -> None:
        """Tells them of the source as it is by now: they get warm."""
        for process in self._processes:
            process.tell()

    def map(
        self,
        function: Callable[[Source, Task], Result],
        tasks: Iterable[Task],
        *,
        lost: Callable[[Task, str], Result],
        batch: int = 1,
        timed: bool = True,
    ) -> Iterator[Result]:
        """The result of each task, in the order of the tasks; workers begin with the first at once.

        Args:
          function: where it has a method `each`, that gives the results of (source, tasks), in
            order.
          lost: the result of a task that ended its worker, and why it did.
          batch: tasks that are sent at a time; fewer near the end of a sequence.
          timed: whether a task has the limits of time; those of memory are always there.

        Raises:
          ResourceError: one task after the other ends its worker.
        """
        seconds = self._limits.cpu_seconds, self._limits.wall_seconds
        job = Job(function, *(seconds if timed else (0.0, math.inf)))
        results = self._results(job, iter(tasks), lost, batch)
        next(results)
        return results

    def _results(
        self, job: Job, waiting: Iterator[Any], lost: Callable[[Any, str], Any], batch: int
    ) -> Iterator[Any]:
        """None once workers have something to do; then the results."""
        chunk = self._chunk(waiting, batch)
        taken = given = 0
        results: dict[int, Any] = {}
        begun = False
        while not begun or chunk or any(process.batches for process in self._processes):
            limit = taken + _AHEAD * batch * self._count
            while chunk and given < limit and (process := self._free()):
                process.give(job, given, chunk)
                given += len(chunk)
                chunk = self._chunk(waiting, batch)
            if not begun:
                begun = True
                yield None
                continue
            results.update(self._answers(job, lost))
            while taken in results:
                yield results.pop(taken)
                taken += 1

    def _chunk(self, waiting: Iterator[Any], batch: int) -> list[Any]:
        """The next tasks; towards their end ever fewer, so that all workers end at one time."""
        left = operator.length_hint(waiting, _DEPTH * self._count * batch)
        size = min(batch, max(1, left // (_DEPTH * self._count)))
        return list(itertools.islice(waiting, size))

    def _free(self) -> _Process | None:
        """The worker with the least to do, if it may have more."""
        free = [process for process in self._processes if not process.suspects]
        process = min(free, key=lambda process: len(process.batches), default=None)
        if (process is None or process.batches) and len(self._processes) < self._count:
            process = self._process()
            self._processes.append(process)
        return process if process is not None and len(process.batches) < _DEPTH else None

    def _answers(self, job: Job, lost: Callable[[Any, str], Any]) -> dict[int, Any]:
        """Results by the number of their task, as soon as there are some."""
        busy = [process for process in self._processes if process.batches]
        multiprocessing.connection.wait([process.connection for process in busy], timeout=1.0)
        found: dict[int, Any] = {}
        for process in busy:
            if process.connection.poll():
                found |= self._taken(process, job, lost)
            elif time.monotonic() - process.since > job.wall_seconds * len(process.batches[0][1]):
                process.process.send_signal(signal.SIGALRM)
        return found

    def _taken(
        self, process: _Process, job: Job, lost: Callable[[Any, str], Any]
    ) -> dict[int, Any]:
        try:
            answers = process.connection.recv()
        except (EOFError, OSError):
            return self._replace(process, job, lost)
        if not process.ready:
            process.ready = True
            self._false_starts = 0
            process.since = time.monotonic()
            return {}
        first, tasks = process.batches.popleft()
        process.since = time.monotonic()
        process.done += len(tasks)
        self._guilty_on_end = 0
        self._next_suspect(process, job)
        found = {}
        for number, (fine, result) in enumerate(answers, start=first):
            if not fine:
                raise result
            found[number] = result
        return found

    @staticmethod
    def _next_suspect(process: _Process, job: Job) -> None:
        if process.suspects and not process.batches:
            number, task = process.suspects.popleft()
            process.give(job, number, [task])

    def _replace(
        self, process: _Process, job: Job, lost: Callable[[Any, str], Any]
    ) -> dict[int, Any]:
        """Puts a new worker in the place of a dead one; what its task got if that is guilty."""
        code = process.end()
        suspects = deque(
            (first + i, task) for first, tasks in process.batches for i, task in enumerate(tasks)
        )
        suspects += process.suspects
        found = {}
        self._false_starts += not process.ready
        if self._false_starts > _FALSE_STARTS:
            raise ResourceError(
                f"no worker process can start, the last one {_cause(code)}; see above what it "
                "says, and use fewer --workers where memory lacks"
            )
        alone = len(process.batches) == 1 and len(process.batches[0][1]) == 1
        if process.ready and process.done == 0 and alone:
            number, task = suspects.popleft()
            self._guilty_on_end += 1
            found[number] = lost(task, _cause(code))
        if self._guilty_on_end > _GUILTY_ON_END:
            raise ResourceError(
                f"{self._guilty_on_end} worker processes died one after the other; the last one "
                f"{_cause(code)}: most often memory lacks, use fewer --workers"
            )
        fresh = self._process()
        self._processes[self._processes.index(process)] = fresh
        fresh.suspects = suspects
        self._next_suspect(fresh, job)
        return found

    def close(self) -> None:
        """Ends the processes, in the middle of whatever they are at."""
        for process in self._processes:
            process.connection.close()
        for process in self._processes:
            process.end()
        self._processes = []


@contextlib.contextmanager
def workers(
    source: Source,
    count: int,
    limits: Limits | None = None,
    warm: Callable[[Source], None] = _nothing,
) -> Iterator[Workers]:
    """Workers for the time of the body; they never outlive it."""
    pool = Workers(source, count, limits, warm)
    try:
        yield pool
    finally:
        pool.close()
