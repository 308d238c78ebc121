"""Pictures by their paths: files, folders and zips become names with something to read."""

import contextlib
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from catdog import archive
from catdog.errors import InputError, UsageError

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")
STDIN = "-"

Named = tuple[str, Callable[[], bytes]]


def check_paths(paths: Sequence[str]) -> None:
    """Nothing, when the paths can be read from; `-` stands for stdin.

    Raises:
      UsageError: a path is not there, or none is given.
      InputError: a zip cannot be read: now, not when it is its turn.
    """
    if not paths:
        raise UsageError(
            f"no pictures named; give paths of pictures, folders or zips, or {STDIN} to read "
            "their names from stdin"
        )
    for path in paths:
        if path != STDIN and not Path(path).exists():
            raise UsageError(f"there is no file or folder {path!r}; give paths of pictures")
        if _is_zip(Path(path)):
            archive.Archive(path).close()


@contextlib.contextmanager
def open_pictures(
    paths: Iterable[str], *, names: BinaryIO | None = None
) -> Iterator[Iterator[Named]]:
    """(name, function that reads the content) of each picture, while the context lasts.

    The function may be called in any thread; it raises InputError when the content cannot be
    read or is too large. No more is in memory than the names of one folder on the way down.

    Args:
      paths: of files; of folders, read at any depth in the order of the names; of zips. Within
        folders and zips what has a picture's ending is taken.
      names: where the path `-` reads more paths from, one a line, blank lines left out. Of those a
        path that is not there, or a zip that cannot be read, is a picture that cannot be read.

    Raises:
      InputError: a zip of `paths` cannot be read.
    """
    with contextlib.ExitStack() as opened:
        yield _pictures(paths, names, opened)


def _pictures(
    paths: Iterable[str], names: BinaryIO | None, opened: contextlib.ExitStack
) -> Iterator[Named]:
    for path in paths:
        if path == STDIN and names is not None:
            for given in _lines(names):
                yield from _pictures_of_a_line(given, opened)
        else:
            yield from _pictures_at(path, opened)


def _lines(names: BinaryIO) -> Iterator[str]:
    for line in names:
        if line.strip():
            yield os.fsdecode(line.rstrip(b"\r\n"))


def _pictures_of_a_line(given: str, opened: contextlib.ExitStack) -> Iterator[Named]:
    if not os.path.exists(given):
        yield given, _failing("there is no such file or folder")
        return
    try:
        yield from _pictures_at(given, opened)
    except (InputError, OSError) as error:  # of a zip: files and folders are read later
        yield given, _failing(str(error))


def _pictures_at(given: str, opened: contextlib.ExitStack) -> Iterator[Named]:
    path = Path(given)
    if path.is_dir():
        yield from _pictures_below(path)
    elif _is_zip(path):
        members = archive.Archive(given)
        opened.callback(members.close)
        for key in sorted(members.members):
            if Path(key).suffix.lower() in ENDINGS:
                yield f"{given}/{key}", _member_reader(members, key)
    else:
        yield given, _reader(path)


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def _pictures_below(folder: Path) -> Iterator[Named]:
    """The pictures at any depth, in the order of the parts of their paths; no links to folders."""
    waiting = [(folder, True)]
    while waiting:
        path, is_folder = waiting.pop()
        if not is_folder:
            if path.suffix.lower() in ENDINGS and path.is_file():
                yield str(path), _reader(path)
            continue
        try:
            with os.scandir(path) as entries:
                found = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in entries)
        except OSError as error:
            yield str(path), _failing(f"cannot be read: {error.strerror}")
            continue
        waiting += [(path / name, is_dir) for name, is_dir in reversed(found)]


def _reader(file: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            if file.stat().st_size > archive.READ_LIMIT:
                raise InputError(f"larger than {archive.READ_LIMIT} bytes")
            return file.read_bytes()
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}") from None

    return read


def _member_reader(members: archive.Archive, key: str) -> Callable[[], bytes]:
    return lambda: members.read(key)


def _failing(reason: str) -> Callable[[], bytes]:
    def read() -> bytes:
        raise InputError(reason)

    return read


def true_class(name: str, class_names: Sequence[str]) -> str:
    """The class that a picture's name tells, or "" when it tells none or two.

    The folder right above the picture tells it ("dog/7.jpg"), and so does what stands before the
    first dot of the file's name ("dog.7.jpg"). Upper and lower case, and the two ways to write an
    accent in Unicode, are the same unless two classes differ in nothing else.

    Args:
      name: as `open_pictures` gives it.
      class_names: of the model.
    """
    path = PurePosixPath(name)
    words = (path.parent.name, path.name.partition(".")[0])
    found = {known for word in words if word for known in _same(word, class_names)}
    return found.pop() if len(found) == 1 else ""


def _same(word: str, class_names: Sequence[str]) -> list[str]:
    exact = [known for known in class_names if known == word]
    return exact or [known for known in class_names if _plain(known) == _plain(word)]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
