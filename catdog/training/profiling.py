"""Traces a few steps for TensorBoard's profiler."""

import re
from pathlib import Path
from typing import Any

import tensorflow as tf

from catdog.errors import UsageError


def parse(text: str) -> tuple[int, int]:
    """FIRST and LAST of "FIRST:LAST".

    Raises:
      UsageError: it is written otherwise, or FIRST is not at least 1 and less than LAST.
    """
    found = re.fullmatch(r"(\d+):(\d+)", text)
    first, last = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= first < last:
        raise UsageError(
            "--profile_steps is FIRST:LAST with 1 <= FIRST < LAST (step 0 is mostly compiling), "
            f"received {text!r}"
        )
    return first, last


class Profiler:
    """Traces the steps `first` … `last` - 1 of a run into `folder`.

    It learns of steps after each call of several, so a trace begins and ends with a call. It never
    reaches into a validation.
    """

    def __init__(self, folder: Path, *, first: int, last: int) -> None:
        self._folder = folder
        self._first = first
        self._last = last
        self._running = False
        self._traced = 0

    def tell_steps(self, records: list[dict[str, Any]]) -> None:
        """Takes the records of the steps since the last time."""
        following = records[-1]["step"] + 1
        self._traced += len(records) if self._running else 0
        if self._running and following >= self._last:
            self._stop()
        elif not self._running and not self._traced and self._first <= following < self._last:
            tf.profiler.experimental.start(str(self._folder))
            self._running = True

    def tell_epoch(self, history: list[dict[str, Any]]) -> None:
        """Takes note that an epoch has ended."""
        del history
        if self._running:
            self._stop()

    def _stop(self) -> None:
        tf.profiler.experimental.stop()
        self._running = False
