"""Files that appear whole or not at all, and locks that end with their process."""

import contextlib
import fcntl
import itertools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from catdog.errors import LockedError


def sync_folder(folder: Path) -> None:
    """Nothing, when the names in the folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def whole_file(
    path: Path, *, check: Callable[[Path], None] | None = None, settled: bool = True
) -> Iterator[BinaryIO]:
    """A binary file to write to that takes the name `path` once all of it is on the disk.

    Until then it is called `.NAME.partial`. When the body, the disk or the check fails, nothing is
    left and what `path` was before stays.

    Args:
      check: reads the finished file before it gets its name, and raises when it is not as it
        should be.
      settled: whether the name, too, is on the disk at the end, not only what is under it.

    Raises:
      OSError: whatever the disk says, at any of write, flush, sync, close and rename.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if check is not None and hasattr(os, "posix_fadvise"):
                # so that the check reads what is on the disk
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if check is not None:
            check(partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if settled:
        sync_folder(path.parent)


def write_whole(path: Path, data: bytes | str, *, settled: bool = True) -> None:
    """Nothing, when `path` holds exactly `data` (text as UTF-8); `settled` as for `whole_file`.

    Raises:
      OSError: the disk refused; `path` is as it was before.
    """
    content = data.encode() if isinstance(data, str) else data
    with whole_file(path, settled=settled) as file:
        file.write(content)


def write_json(path: Path, content: Any, *, settled: bool = True) -> None:
    """Nothing, when `path` holds `content` as readable JSON with its keys in the given order.

    Raises:
      ValueError: a number is not finite, which JSON cannot say.
      OSError: the disk refused; `path` is as it was before.
    """
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n", settled=settled)


@contextlib.contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """Holds the lock file `path` for the time of the body; it ends with the process at the latest.

    Args:
      path: created if need be, and left in place: removing it would let two jobs in.
      what: how the message calls the thing that is locked.

    Raises:
      LockedError: another process holds it.
    """
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever removed its lock file at the end of its job left a lock on nothing.
            if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                raise BlockingIOError
        except BlockingIOError:
            raise LockedError(
                f"{what} is in use by another job (lock file {path}); wait for it or choose "
                "another folder"
            ) from None
        yield


_NEEDS_QUOTES = re.compile('[,"\r\n]')


def _csv_cell(value: Any) -> str:
    """The value as a cell that a spreadsheet takes for text and never for a formula.

    A cell that begins with one of = + - @ ', a tab or a line end gets a ' before it; whoever
    reads it back takes one leading ' away.
    """
    text = str(value)
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "'", "\t", "\r", "\n"):
        text = f"'{text}"
    # Python's csv module leaves a lone carriage return bare, and then reads two rows.
    if _NEEDS_QUOTES.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def from_csv_cell(cell: str) -> str:
    """The text that `csv_text` made the cell of: one leading ' is taken away."""
    return cell[1:] if cell[:1] == "'" else cell


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV file's text: lines end with a line feed, cells that look like formulas are quoted."""
    lines = (",".join(map(_csv_cell, row)) + "\n" for row in itertools.chain([header], rows))
    pieces = []  # of many lines: a list of a million would take as much memory again
    while piece := "".join(itertools.islice(lines, 1000)):
        pieces.append(piece)
    return "".join(pieces)
