"""Pass 1 of a build: each picture is read and decoded once, or remembered from before."""

import contextlib
import dataclasses
import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from catdog import cli, images
from catdog.errors import InputError
from data_tools import _prepare, _similar, _spool
from data_tools._found import Found, Memory, Pictures, Reject, Scan
from data_tools._prepare import Preparation
from data_tools._workers import Workers
from data_tools.sources import Item, Source

# Records are made of the pixels, in bytes, of some pictures at a time: about as many as a core's
# cache holds, and few beside the memory that a picture may take.
_TOGETHER = 2_000_000

READ_ERRORS = (OSError, InputError, EOFError, NotImplementedError, RuntimeError,
               zipfile.BadZipFile, zlib.error)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class _Lost:
    """A picture that ended its worker, and how."""

    item: Item
    reason: str


def read_failure(error: BaseException) -> str:
    """Why a picture could not be read, without the path, which is the machine's own."""
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror or type(error).__name__}"
    return f"cannot be read: {' '.join(str(error).split()) or type(error).__name__}"


class _Read(NamedTuple):
    """A picture that was read: as in `Found`, but that its record is still to be kept."""

    stamp: str
    sha256: str
    reason: str = ""
    look: _similar.Look | None = None
    made: _prepare.Made | None = None

    @property
    def size(self) -> int:
        """Bytes of pixels that it holds."""
        return self.made.pixels.nbytes if self.made else 0


@dataclasses.dataclass(frozen=True)
class Reading:
    """What pass 1 is to find out: how like other pictures each is, how it is stored, or neither.

    Attributes:
      records: the folder to which the records go; empty where none are made.
    """

    preparation: Preparation
    looks: bool = True
    records: str = ""

    def each(self, source: Source, items: Iterable[Item]) -> Iterator[Found]:
        """What is found in each of the pictures, in their order."""
        some: list[_Read] = []
        size = 0
        for item in items:
            some.append(self._read(source, item))
            size += some[-1].size
            if size > _TOGETHER:
                yield from self._found(some)
                some, size = [], 0
        yield from self._found(some)

    def __call__(self, source: Source, item: Item) -> Found:
        """What is found in this picture."""
        (found,) = self.each(source, [item])
        return found

    def _read(self, source: Source, item: Item) -> _Read:
        try:
            # The stamp first: a change during the reading then makes the stamp an old one.
            stamp = source.stamp(item.locator)
            data = source.read(item.locator)
        except READ_ERRORS as error:
            return _Read("", "", read_failure(error))
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            square = self.preparation.square(data, small=_similar.SIDE if self.looks else 0)
        except images.RejectedPicture as error:
            return _Read(stamp, sha256, error.reason)
        look = _similar.look(square) if self.looks else None
        if not self.records:
            return _Read(stamp, sha256, "", look)
        encoded = square.encoded(self.preparation.jpeg_quality)
        made = _prepare.Made(item.key, item.label, sha256, square.pixels, encoded)
        return _Read(stamp, sha256, "", look, made)

    def _found(self, some: Sequence[_Read]) -> Iterator[Found]:
        """What was found in some pictures, once the records of those that were made are kept."""
        several = [read.made for read in some if read.made]
        places: Iterator[int] = iter(())
        if several:
            owners = [_spool.Owner(made.key, made.label, made.sha256) for made in several]
            records = _prepare.records(self.preparation, several)
            places = iter(_spool.writer(self.records).add(owners, records))
        for stamp, sha256, reason, look, made in some:
            yield Found(stamp, sha256, reason, look, next(places) if made else -1)


def _digest(source: Source, item: Item) -> Found:
    """The picture's bytes alone, not decoded."""
    try:
        stamp = source.stamp(item.locator)
        return Found(stamp, hashlib.sha256(source.read(item.locator)).hexdigest())
    except READ_ERRORS as error:
        return Found("", "", read_failure(error))


def _known(
    items: Sequence[Item], source: Source, memory: Memory, prints: _similar.Prints
) -> dict[int, Scan]:
    """By place the scans of the items whose bytes are still those that were read, without prints.

    These are written to their places in `prints`.
    """
    places = {item.key: place for place, item in enumerate(items)}
    known: dict[int, Scan] = {}
    # Each of them is read again, records included.
    before = cli.progress(
        memory.scans(), total=len(items), what="looking at earlier work, pictures"
    )
    for key, stamp, scan in before:
        place = places.get(key, -1)
        if place < 0:
            continue
        known.pop(place, None)
        with contextlib.suppress(*READ_ERRORS):
            unchanged = stamp and stamp == source.stamp(items[place].locator)
            if unchanged and memory.knows(items[place], scan):
                known[place] = Scan(scan.sha256, scan.reason, kept=scan.kept)
                if len(prints.pixels):
                    prints.unpack(place, scan.print)
    return known


def _blamed(lost: Sequence[_Lost], workers: Workers) -> Iterator[tuple[str, str, Scan]]:
    """Key, stamp and scan of pictures that ended their workers: rejects.

    Each is read again, and not decoded: what is rejected has a sha256.
    """
    again: Iterator[Found | _Lost] = workers.map(_digest, [each.item for each in lost], lost=_Lost)
    for each, found in zip(lost, again, strict=True):
        if isinstance(found, _Lost):
            yield each.item.key, "", Scan("", f"cannot be read: {found.reason}")
        else:
            scan = Scan(found.sha256, found.reason or each.reason)
            yield each.item.key, found.stamp, scan


class _Notes:
    """Puts what workers find into prints and memory."""

    def __init__(self, items: Sequence[Item], memory: Memory, prints: _similar.Prints) -> None:
        """Prints has a place for each of the items, or none at all."""
        self._items, self._memory, self._prints = items, memory, prints

    def add(self, found: dict[int, Found]) -> dict[int, Scan]:
        """The scans of items by their places, once they are remembered."""
        looks = {place: each.look for place, each in found.items() if each.look is not None}
        if looks:
            # Of many at a time: one by one numpy's calls would add a good part of a look's time.
            self._prints.put([*looks], _similar.prints([*looks.values()]))
        scans, noted = {}, []
        for place, each in found.items():
            scans[place] = Scan(each.sha256, each.reason, kept=each.kept)
            look = self._prints.pack(place) if place in looks else b""
            scan = Scan(each.sha256, each.reason, look, each.kept)
            noted.append((self._items[place].key, each.stamp, scan))
        self._memory.remember(noted)
        return scans


def _scans(
    items: Sequence[Item],
    workers: Workers,
    memory: Memory,
    prints: _similar.Prints,
    reading: Reading,
) -> Iterator[Scan | _Lost]:
    """The scan of each item, in order; its print is at its place in `prints` by then."""
    known = _known(items, workers.source, memory, prints)
    unknown = [item for place, item in enumerate(items) if place not in known]
    size = _prepare.batch(reading.preparation.image_size)
    fresh: Iterator[Found | _Lost] = workers.map(reading, unknown, lost=_Lost, batch=size)
    notes = _Notes(items, memory, prints)
    for start in range(0, len(items), size):
        places = range(start, min(start + size, len(items)))
        found = {place: next(fresh) for place in places if place not in known}
        scans: dict[int, Scan | _Lost] = {
            place: each for place, each in found.items() if isinstance(each, _Lost)
        }
        scans |= notes.add(
            {place: each for place, each in found.items() if isinstance(each, Found)}
        )
        for place in places:
            yield known.pop(place) if place in known else scans[place]
    for _ in fresh:
        raise RuntimeError("more scans than pictures")


def _check_rejects(rejects: Sequence[Reject], most: int) -> None:
    if rejects and 0 <= most < len(rejects):
        raise InputError(
            f"more than --max_rejects={most} pictures are rejected, {rejects[-1].key!r} for "
            f"instance: {rejects[-1].reason}; mend the source or allow more"
        )


def scanned(
    items: Sequence[Item],
    workers: Workers,
    memory: Memory,
    reading: Reading,
    *,
    max_rejects: int = -1,
) -> tuple[Pictures, tuple[Reject, ...], _similar.Prints | None]:
    """The items that are to be stored, in their order, with their sha256; and the others, by key.

    And what the former look like, or None where nobody is to look. A picture that ends the process
    which decodes it is one of the others.

    Raises:
      InputError: there are more than `max_rejects` of the others, unless that is below 0.
    """
    pictures = Pictures(items)
    rejects: list[Reject] = []
    lost: list[_Lost] = []
    prints = _similar.blank(len(items) if reading.looks else 0)
    meter = cli.Meter(len(items), "preparing pictures" if memory.records else "reading pictures")
    scans = _scans(items, workers, memory, prints, reading)
    for place, (item, scan) in enumerate(zip(items, scans, strict=True)):
        if isinstance(scan, _Lost):
            lost.append(scan)
        elif scan.reason:
            rejects.append(Reject(item.key, scan.reason, scan.sha256))
            _check_rejects(rejects, max_rejects)
        else:
            if reading.looks:  # no row of a later item is written over: it is never before it
                prints.unpack(len(pictures), prints.pack(place))
            pictures.add(place, scan.sha256, scan.kept)
        meter.advance()
    meter.close()
    blamed = list(_blamed(lost, workers))
    memory.remember(blamed)
    rejects += [Reject(key, scan.reason, scan.sha256) for key, _, scan in blamed]
    _check_rejects(rejects, max_rejects)
    rejects.sort(key=lambda reject: reject.key)
    return pictures, tuple(rejects), prints if reading.looks else None
