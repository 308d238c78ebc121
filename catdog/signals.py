"""Signals that ask a long job to save and leave, told to it where it can do so.

SIGTERM is what schedulers send before they take a machine away, SIGINT is Ctrl-C, SIGUSR1 asks to
save and go on.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from catdog.errors import Preempted

_STOPPING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Holds the handlers of the three signals while it is entered.

    Outside of `held` a request to stop is an exception at once, wherever the main thread is: right
    while there is nothing to save. Inside of `held` it waits until `check` is called. A second
    request leaves at once with 128 + the signal's number, as if there were no handler.

    Entered in another thread than the main one, or where the process ignores a signal (as under
    nohup), it holds nothing there.

    Attributes:
      save_asked: whether SIGUSR1 has come; whoever saves sets it back.
    """

    def __init__(self) -> None:
        self.save_asked = False
        self._stop_asked: signal.Signals | None = None
        self._holding = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for number in (*_STOPPING, signal.SIGUSR1):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGUSR1:
            self.save_asked = True
            return
        if self._stop_asked is not None:
            os._exit(128 + number)
        self._stop_asked = signal.Signals(number)
        if not self._holding:
            self.check()

    def check(self) -> None:
        """Nothing, when nobody asked to stop.

        Raises:
          Preempted: SIGTERM came.
          KeyboardInterrupt: SIGINT came.
        """
        if self._stop_asked == signal.SIGTERM:
            raise Preempted(_WAY_ON)
        if self._stop_asked == signal.SIGINT:
            raise KeyboardInterrupt(_WAY_ON)

    @contextlib.contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """Inside of it a request to stop waits for `check`, which is what it gives.

        What was asked for just before is raised on entry, and what was asked for since the last
        check on leaving: it is never forgotten.
        """
        self._holding = True
        try:
            self.check()
            yield self.check
        finally:
            self._holding = False
        self.check()


_WAY_ON = "give the same command to go on"
