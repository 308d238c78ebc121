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
    """Traces the steps `first` … `last` - 1 of a run into `folder`, as nearly as calls allow.

    It learns of steps after each call of several, so a trace begins and ends with a call: the
    first one that begins behind `first`, though it may end behind `last`. It never reaches into a
    validation, so it ends with the epoch, and where it would begin there it waits for the next one.
    """

    def __init__(
        self, folder: Path, *, first: int, last: int, steps_per_epoch: int, total_steps: int
    ) -> None:
        self._folder = folder
        self._first = first
        self._last = last
        self._steps_per_epoch = steps_per_epoch
        self._total_steps = total_steps
        self._is_due = self._running = False
        self._traced = 0

    def tell_steps(self, records: list[dict[str, Any]]) -> None:
        """Takes the records of the steps since the last time."""
        following = records[-1]["step"] + 1
        self._is_due |= records[0]["step"] < self._last and following >= self._first
        ends = following % self._steps_per_epoch == 0 or following >= self._total_steps
        if self._running:
            self._traced += len(records)
            if following >= self._last or ends:
                self._stop()
        elif self._is_due and not self._traced and not ends:
            tf.profiler.experimental.start(str(self._folder))
            self._running = True

    def tell_epoch(self, history: list[dict[str, Any]]) -> None:
        """Takes note that an epoch has ended: nothing is traced by then."""
        del history

    def _stop(self) -> None:
        tf.profiler.experimental.stop()
        self._running = False
