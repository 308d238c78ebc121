"""Pictures by their paths: files, folders and zips become names with something to read."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from catdog import archive
from catdog.errors import InputError, UsageError

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")

Named = tuple[str, Callable[[], bytes]]


def check_paths(paths: Sequence[str]) -> None:
    """Raises UsageError when a path is not there, or none is given."""
    if not paths:
        raise UsageError("no pictures named; give paths of pictures, folders or zips")
    for path in paths:
        if not Path(path).exists():
            raise UsageError(f"there is no file or folder {path!r}; give paths of pictures")


@contextlib.contextmanager
def open_pictures(paths: Sequence[str]) -> Iterator[Iterator[Named]]:
    """(name, function that reads the content) of each picture, while the context lasts.

    The function may be called in any thread; it raises InputError when the content cannot be
    read or is too large.

    Args:
      paths: of files; of folders, read at any depth in the order of the names; of zips. Within
        folders and zips what has a picture's ending is taken.

    Raises:
      InputError: a zip that cannot be read.
    """
    with contextlib.ExitStack() as opened:
        yield _pictures(paths, opened)


def _pictures(paths: Sequence[str], opened: contextlib.ExitStack) -> Iterator[Named]:
    for given in paths:
        path = Path(given)
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.suffix.lower() in ENDINGS and file.is_file():
                    yield str(file), _reader(file)
        elif path.suffix.lower() == ".zip":
            members = archive.Archive(given)
            opened.callback(members.close)
            for key in sorted(members.members):
                if Path(key).suffix.lower() in ENDINGS:
                    yield f"{given}/{key}", _member_reader(members, key)
        else:
            yield given, _reader(path)


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
