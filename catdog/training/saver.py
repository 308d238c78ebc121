"""Checkpoints written beside the training, which goes on while they are."""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from catdog import cli
from catdog.errors import NumericError
from catdog.training import checkpoints

_ALL = 1 << 30


class Snapshot:
    """A checkpoint to write: the values that the variables have when it is made.

    Taking it costs next to nothing on a CPU: TensorFlow shares a variable's memory with whoever
    has read it, and writes the next value somewhere else. From a GPU the values are copied.

    Args:
      kind, number, variables, about, arrays: as for `checkpoints.save`.
    """

    def __init__(
        self,
        kind: str,
        number: int,
        variables: Mapping[str, Any],
        about: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        self.kind = kind
        self.number = number
        self._about = about
        self._arrays = {name: array.copy() for name, array in (arrays or {}).items()}
        with tf.device("CPU:0"):
            self._values = {name: tf.identity(value) for name, value in variables.items()}

    def write(self, folder: Path) -> None:
        """Writes the checkpoint and removes older ones of its kind but one.

        Raises:
          NumericError: a value is NaN or infinite; nothing was written.
          OSError, tf.errors.OpError: the disk refused.
        """
        for name, value in self._values.items():
            if value.dtype.is_floating and not bool(tf.reduce_all(tf.math.is_finite(value))):
                raise NumericError(
                    f"{name} is no longer finite, so {self.kind}-{self.number:06d} is not saved; "
                    "train again with a lower --learning_rate"
                )
        with tf.device("CPU:0"):
            variables = {n: tf.Variable(v, trainable=False) for n, v in self._values.items()}
        about, arrays = self._about, self._arrays
        keep = 2 if self.kind == "last" else _ALL
        checkpoints.save(folder, self.kind, self.number, variables, about, keep=keep, arrays=arrays)


class Saver:
    """Writes snapshots to a folder in a thread of its own, one group after the other.

    Args:
      folder: where the checkpoints live.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    @property
    def busy(self) -> bool:
        """Whether a group is being written."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, snapshots: Sequence[Snapshot]) -> None:
        """Begins to write the snapshots in their order, after those before them are written.

        Raises: what went wrong with those before them.
        """
        self.wait()
        self._thread = threading.Thread(target=self._write, args=(snapshots,), name="saver")
        self._thread.start()

    def wait(self) -> None:
        """Nothing, when all is on the disk.

        Raises: what went wrong, once.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.check()

    def check(self) -> None:
        """Nothing, unless something has gone wrong.

        Raises: what it was, once.
        """
        error, self._error = self._error, None
        if error is not None:
            raise error

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """On leaving it everything is written, whatever else has happened."""
        checkpoints.remove_unfinished(self._folder)
        try:
            yield
        except BaseException:
            try:
                self.wait()
            except Exception as error:  # the first failure is the one to tell as such
                cli.say(f"warning: the last save failed: {error}")
            raise
        self.wait()

    def _write(self, snapshots: Sequence[Snapshot]) -> None:
        try:
            for snapshot in snapshots:
                snapshot.write(self._folder)
            # A best one goes only when no saved progress names it: a run that is killed before,
            # or whose newest state is damaged, goes on from an older pair.
            checkpoints.prune_best(self._folder)
        except BaseException as error:
            self._error = error
