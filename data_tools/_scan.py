"""Pass 1 of a build: each picture is read and looked at once, or remembered from before."""

import contextlib
import dataclasses
import functools
import hashlib
import zipfile
import zlib
from array import array
from collections.abc import Iterator, Sequence
from typing import overload

from catdog import cli, images
from catdog.errors import InputError
from data_tools import _similar
from data_tools._workers import Workers
from data_tools.sources import Item, Source
from data_tools.splits import Candidate

# Messages of 128 pictures are some 130 kB; what was read is noted after so many.
_BATCH = 128

READ_ERRORS = (OSError, InputError, EOFError, NotImplementedError, RuntimeError,
               zipfile.BadZipFile, zlib.error)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Picture(Candidate):
    """A picture of the source that is to be stored, and what `Source.read` takes to read it."""

    locator: str = dataclasses.field(kw_only=True)


class Pictures(Sequence[Picture]):
    """Some of the items, in their order; each look at one makes its picture anew.

    Beside its item each takes 40 bytes: while copies are looked for a build has most in memory.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        """None of them yet."""
        self._items = items
        self._places = array("Q")
        self._digests = bytearray()

    def add(self, place: int, sha256: str) -> None:
        """Adds the item at this place, whose bytes have this sha256 (hex)."""
        self._places.append(place)
        self._digests += bytes.fromhex(sha256)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...
    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        item = self._items[self._places[number]]
        sha256 = self._digests[32 * number : 32 * number + 32].hex()
        return Picture(item.key, item.label, sha256, locator=item.locator)


@dataclasses.dataclass(frozen=True)
class Reject:
    """A picture that is not stored, why, and the sha256 of its bytes (empty: unreadable)."""

    key: str
    reason: str
    sha256: str


@dataclasses.dataclass(frozen=True, slots=True)
class Scan:
    """What pass 1 finds in a picture.

    Attributes:
      sha256: of its bytes, in hex; empty where they cannot be read.
      reason: why it is of no use; empty when it may be of some.
      print: what it looks like, as `Prints.pack` gives it; empty where nobody looked.
    """

    sha256: str
    reason: str = ""
    print: bytes = b""


@dataclasses.dataclass(frozen=True)
class _Lost:
    """A picture that ended its worker, and how."""

    item: Item
    reason: str


_Found = tuple[str, Scan, images.Thumbnail | None] | _Lost


class Memory:
    """What earlier runs of the same build found; this one remembers nothing."""

    def scans(self) -> Iterator[tuple[str, str, Scan]]:
        """Key, stamp and scan of the pictures that were read before; of two, the later counts."""
        yield from ()

    def remember(self, scans: list[tuple[str, str, Scan]]) -> None:
        """Notes (key, stamp, scan) of pictures that were read."""


NO_MEMORY = Memory()


def read_failure(error: BaseException) -> str:
    """Why a picture could not be read, without the path, which is the machine's own."""
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or type(error).__name__}"
    return f"cannot be read: {' '.join(str(error).split()) or type(error).__name__}"


def _scan(max_pixels: int, source: Source, item: Item) -> tuple[str, Scan, images.Thumbnail | None]:
    """The stamp of the picture, what it holds, and itself in small.

    There is no stamp where the next try may fare better. One of more pixels than `max_pixels` is
    not looked at; 0 is for none.
    """
    try:
        # The stamp first: a change during the reading then makes the stamp an old one.
        stamp = source.stamp(item.locator)
        data = source.read(item.locator)
    except READ_ERRORS as error:
        return "", Scan("", read_failure(error)), None
    sha256 = hashlib.sha256(data).hexdigest()
    if not data:
        return stamp, Scan(sha256, "empty file"), None
    look = _similar.look(data, max_pixels=max_pixels) if max_pixels else None
    return stamp, Scan(sha256), look


def _known(
    items: Sequence[Item], source: Source, memory: Memory, prints: _similar.Prints
) -> dict[int, Scan]:
    """By place the scans of the items whose bytes are still those that were read, without prints.

    These are written to their places in `prints`.
    """
    places = {item.key: place for place, item in enumerate(items)}
    known: dict[int, Scan] = {}
    for key, stamp, scan in memory.scans():
        place = places.get(key, -1)
        if place < 0:
            continue
        known.pop(place, None)
        with contextlib.suppress(*READ_ERRORS):
            if stamp and stamp == source.stamp(items[place].locator):
                known[place] = Scan(scan.sha256, scan.reason)
                if len(prints.pixels):
                    prints.unpack(place, scan.print)
    return known


def _blamed(lost: Sequence[_Lost], workers: Workers) -> Iterator[tuple[str, str, Scan]]:
    """Key, stamp and scan of pictures that a look at them lost: rejects, as in pass 2.

    Each is read again, and not looked at: what pass 2 rejects has a sha256.
    """
    task = functools.partial(_scan, 0)
    again: Iterator[_Found] = workers.map(task, [each.item for each in lost], lost=_Lost)
    for each, found in zip(lost, again, strict=True):
        if isinstance(found, _Lost):
            yield each.item.key, "", Scan("", f"cannot be read: {found.reason}")
        else:
            stamp, scan, _ = found
            yield each.item.key, stamp, Scan(scan.sha256, scan.reason or each.reason)


def _scans(
    items: Sequence[Item],
    workers: Workers,
    memory: Memory,
    prints: _similar.Prints,
    max_pixels: int,
) -> Iterator[Scan | _Lost]:
    """The scan of each item, in order; its print is at its place in `prints` by then."""
    known = _known(items, workers.source, memory, prints)
    unknown = [item for place, item in enumerate(items) if place not in known]
    task = functools.partial(_scan, max_pixels)
    fresh: Iterator[_Found] = workers.map(task, unknown, lost=_Lost, batch=_BATCH)
    for start in range(0, len(items), _BATCH):
        places = range(start, min(start + _BATCH, len(items)))
        found = {place: next(fresh) for place in places if place not in known}
        read = {place: each for place, each in found.items() if not isinstance(each, _Lost)}
        if max_pixels:
            # Of many at a time: one by one numpy's calls would add a good part of a look's time.
            prints.put(list(read), _similar.prints([look for _, _, look in read.values()]))
        if read:
            memory.remember(
                [
                    (items[place].key, stamp, _with_print(scan, prints, place))
                    for place, (stamp, scan, _) in read.items()
                ]
            )
        for place in places:
            if place in known:
                yield known.pop(place)
            else:
                each = found[place]
                yield each if isinstance(each, _Lost) else each[1]
    for _ in fresh:
        raise RuntimeError("more scans than pictures")


def _with_print(scan: Scan, prints: _similar.Prints, place: int) -> Scan:
    return Scan(scan.sha256, scan.reason, prints.pack(place) if len(prints.pixels) else b"")


def scanned(
    items: Sequence[Item], workers: Workers, memory: Memory, *, max_pixels: int
) -> tuple[Pictures, tuple[Reject, ...], _similar.Prints | None]:
    """The items that could be read, in their order, with their sha256; and the others, by key.

    And what the former look like, or None for `max_pixels` of 0, which looks at nothing. A picture
    that ends the process which looks at it is one of the others.
    """
    pictures = Pictures(items)
    rejects: list[Reject] = []
    lost: list[_Lost] = []
    prints = _similar.blank(len(items) if max_pixels else 0)
    meter = cli.Meter(len(items), "reading pictures")
    scans = _scans(items, workers, memory, prints, max_pixels)
    for place, (item, scan) in enumerate(zip(items, scans, strict=True)):
        if isinstance(scan, _Lost):
            lost.append(scan)
        elif scan.reason:
            rejects.append(Reject(item.key, scan.reason, scan.sha256))
        else:
            if max_pixels:  # no row of a later item is written over: the place is never before it
                prints.unpack(len(pictures), prints.pack(place))
            pictures.add(place, scan.sha256)
        meter.advance()
    meter.close()
    blamed = list(_blamed(lost, workers))
    memory.remember(blamed)
    rejects += [Reject(key, scan.reason, scan.sha256) for key, _, scan in blamed]
    rejects.sort(key=lambda reject: reject.key)
    return pictures, tuple(rejects), prints if max_pixels else None
