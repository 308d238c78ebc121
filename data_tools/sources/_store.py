"""Folders and zips as one thing: files with keys that can be read. Same tree, same keys."""

import dataclasses
import os
import tempfile
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from catdog.archive import READ_LIMIT, Archive
from catdog.errors import InputError

# Between the key of an archive and that of its member in a locator: no file name can hold it.
_SEPARATOR = "\0"
_HIDDEN = "hidden file"
# A file that was just written may be written again within the same tick of its clock.
_SETTLED_SECONDS = 2.0


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """A file: its '/'-separated key below the root, and what `Store.read` takes to read it."""

    key: str
    locator: str


def _readable_key(name: str) -> str:
    """The file name as text that UTF-8 can hold, whatever bytes the file system has."""
    readable = os.fsencode(name).decode("utf-8", "backslashreplace")
    return name if readable == name else readable  # one text for key and locator where it can be


def _is_hidden(key: str) -> bool:
    return any(part[:1] == "." or part == "__MACOSX" for part in key.split("/"))


def _remove(path: str, owner: int) -> None:
    """Deletes a spool, in the process that made it alone: forked workers share the object."""
    if os.getpid() == owner:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _walk(root: str, passed_over: Counter[str], left_out: set[str]) -> Iterator[str]:
    """Relative paths of the files below `root`; links to files are followed, to folders not."""
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as found:
                children = list(found)
        except PermissionError:
            if not folder:
                raise
            passed_over["unreadable folder"] += 1
            continue
        for child in children:
            name = f"{folder}/{child.name}" if folder else child.name
            if child.is_dir(follow_symlinks=False):
                pending += [] if name in left_out else [name]
            elif _is_file(child):
                yield name
            else:
                is_folder = child.is_symlink() and os.path.isdir(child.path)
                passed_over["link to a folder" if is_folder else "not a regular file"] += 1


def _is_file(child: os.DirEntry[str]) -> bool:
    try:
        return child.is_file()
    except OSError:  # a link that leads to itself
        return False


class Store:
    """Reads the files of a folder or a zip, and those of a zip inside of it.

    Nothing is opened before the first use, and each process opens its own: a store can be pickled
    or inherited by a fork.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        # Archive key -> (file, start, length or None for all of it). "" is the path itself.
        self._regions: dict[str, tuple[str, int, int | None]] = {"": (path, 0, None)}
        self._archives: dict[str, Archive] = {}
        self._spools: list[weakref.finalize[..., Any]] = []
        self._process = os.getpid()
        self._left_out: set[str] = set()
        self._is_folder: bool | None = None  # nobody has looked yet

    def leave_out(self, folder: str) -> None:
        """Lists no file of `folder`, should it lie in the folder that is read."""
        self._left_out.add(os.path.relpath(folder, os.path.realpath(self.path)))

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "regions": self._regions}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]
        self._regions = state["regions"]

    def entries(self, *, inner: tuple[str, ...] = ()) -> tuple[list[Entry], Counter[str]]:
        """All files, sorted by key, and how many were passed over for which reason.

        Args:
          inner: names of zips (lower case, without folders) whose members are listed too, with
            the key of the zip before theirs. One that is unpacked beside itself is not.

        Raises:
          InputError: the path, or a zip of `inner`, cannot be read.
        """
        passed_over: Counter[str] = Counter()
        try:
            found = self._listed(passed_over)
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror or error}") from None
        top = {key for key, _ in found}
        folders = {key.rpartition("/")[0] for key in top}
        locators: dict[str, str] = {}
        for key, locator in found:
            if _is_hidden(key):
                passed_over[_HIDDEN] += 1
            elif key.rpartition("/")[2].lower() not in inner:
                self._add(locators, key, locator, passed_over)
            elif any((f + "/").startswith(key[: -len(".zip")] + "/") for f in folders):
                passed_over["zip unpacked beside itself"] += 1
            else:
                self._add_members(locators, key, locator, passed_over)
        return [Entry(key, locators[key]) for key in sorted(locators)], passed_over

    def _listed(self, passed_over: Counter[str]) -> list[tuple[str, str]]:
        """(key, locator) of the files of the path itself."""
        if os.path.isdir(self.path):
            return [
                (_readable_key(name), name)
                for name in _walk(self.path, passed_over, self._left_out)
            ]
        archive = self._archive("")
        passed_over.update(archive.passed_over)
        return [(key, key) for key in archive.members]

    def _add_members(
        self, locators: dict[str, str], key: str, locator: str, passed_over: Counter[str]
    ) -> None:
        if key not in self._regions:
            self._regions[key] = self._inner_region(locator)
        archive = self._archive(key)
        passed_over.update(archive.passed_over)
        for name in archive.members:
            if _is_hidden(name):
                passed_over[_HIDDEN] += 1
            else:
                self._add(locators, f"{key}/{name}", f"{key}{_SEPARATOR}{name}", passed_over)

    def _add(
        self, locators: dict[str, str], key: str, locator: str, passed_over: Counter[str]
    ) -> None:
        if key in locators:
            passed_over["repeated name"] += 1
        else:
            locators[key] = locator

    def _inner_region(self, locator: str) -> tuple[str, int, int | None]:
        """Where the bytes of an inner zip lie: as they are, or unpacked once to a spool."""
        member = self._member(locator)
        if member is None:
            return os.path.join(self.path, locator), 0, None
        archive, name = member
        region = archive.stored_region(name)
        if region is not None:
            return self.path, *region
        # In a deflated zip each read would unpack all that lies before it, again and again.
        with self.spool() as (spool, path):
            archive.copy(name, spool)
        return path, 0, None

    @contextmanager
    def spool(self) -> Iterator[tuple[IO[bytes], str]]:
        """A new temporary file and its path; it is there until `close` or the process ends."""
        descriptor, path = tempfile.mkstemp(prefix="catdog-", suffix=".spool")
        self._spools.append(weakref.finalize(self, _remove, path, os.getpid()))
        with os.fdopen(descriptor, "wb") as file:
            yield file, path

    def attach(self, archive: str, path: str) -> None:
        """Lets `archive_locator(archive, name)` read the members of the zip at `path`."""
        self._regions[archive] = (path, 0, None)

    @staticmethod
    def archive_locator(archive: str, name: str) -> str:
        """The locator of a member of an attached zip."""
        return f"{archive}{_SEPARATOR}{name}"

    def _archive(self, key: str) -> Archive:
        if self._process != os.getpid():  # after a fork: do not share file positions
            self._process = os.getpid()
            self._archives = {}
        if key not in self._archives:
            name = os.path.join(self.path, key) if key else self.path
            self._archives[key] = Archive(*self._regions[key], name=name)
        return self._archives[key]

    def _member(self, locator: str) -> tuple[Archive, str] | None:
        """The archive and the name in it that a locator names; None for a file of a folder.

        In a zip the locator of a member is its key, one text of 80 bytes less for each picture.
        """
        archive, is_inner, name = locator.partition(_SEPARATOR)
        if is_inner:
            return self._archive(archive), name
        if self._is_folder is None:
            self._is_folder = os.path.isdir(self.path)
        return None if self._is_folder else (self._archive(""), locator)

    def open(self) -> None:
        """Reads the directories of the zips that are known; a path may be no file, but a name.

        Raises:
          InputError, OSError: one cannot be read.
        """
        for key, (path, _, _) in self._regions.items():
            if os.path.isfile(path):
                self._archive(key)

    def read(self, locator: str, *, limit: int = READ_LIMIT) -> bytes:
        """The bytes of the file that an entry's locator names, at most `limit`.

        Raises:
          InputError: there are more bytes, or the member of the zip is damaged.
          OSError: the file cannot be read.
        """
        member = self._member(locator)
        if member is not None:
            archive, name = member
            return archive.read(name, limit=limit)
        with open(os.path.join(self.path, locator), "rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise InputError(f"holds more than the limit of {limit} bytes")
        return data

    def stamp(self, locator: str) -> str:
        """Text that is another one as soon as the bytes of a file are; "" where none can tell.

        For a member of a zip it is the CRC-32 that zipfile holds its bytes to, its sizes and its
        place. For a file, size, times and inode: tools that copy a file set the time of its last
        change back, but none can set that of its inode (ctime).

        Raises:
          InputError, OSError: as `read`.
        """
        member = self._member(locator)
        if member is not None:
            archive, name = member
            info = archive.members[name]
            return f"{info.CRC:08x} {info.file_size} {info.compress_size} {info.header_offset}"
        found = os.stat(os.path.join(self.path, locator))
        if time.time() - max(found.st_mtime, found.st_ctime) < _SETTLED_SECONDS:
            return ""
        return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"

    def close(self) -> None:
        """Closes what is open and removes the spools that this process made."""
        if self._process == os.getpid():
            for archive in self._archives.values():
                archive.close()
        self._archives = {}
        for remove in self._spools:
            remove()
        self._spools = []
