"""The pictures of a source, and what is known of each while a build is going on."""

import dataclasses
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

from data_tools._similar import Look
from data_tools.sources import Item
from data_tools.splits import Candidate


@dataclasses.dataclass(frozen=True, slots=True)
class Picture(Candidate):
    """A picture of the source that is to be stored.

    Attributes:
      locator: what `Source.read` takes to read it.
      kept: where the memory of this run has its record; below 0 when it has none.
    """

    locator: str = dataclasses.field(kw_only=True)
    kept: int = dataclasses.field(default=-1, kw_only=True, compare=False, repr=False)


class Pictures(Sequence[Picture]):
    """Some of the items, in their order; each look at one makes its picture anew.

    Beside its item each takes 48 bytes: while copies are looked for a build has most in memory.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        """None of them yet."""
        self._items = items
        self._places = array("Q")
        self._digests = bytearray()
        self._kept = array("q")

    def add(self, place: int, sha256: str, kept: int = -1) -> None:
        """Adds the item at this place: the sha256 (hex) of its bytes, where its record is kept."""
        self._places.append(place)
        self._digests += bytes.fromhex(sha256)
        self._kept.append(kept)

    def labels(self) -> set[int]:
        """Those that there are."""
        return {self._items[place].label for place in self._places}

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
        kept = self._kept[number]
        return Picture(item.key, item.label, sha256, locator=item.locator, kept=kept)


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
      reason: why it is of no use; empty when it is to be stored.
      print: what it looks like, as `Prints.pack` gives it; empty where nobody looked.
      kept: where the memory has its record; below 0 when it has none.
    """

    sha256: str
    reason: str = ""
    print: bytes = b""
    kept: int = -1


class Found(NamedTuple):  # which processes exchange quicker than data classes
    """A picture as a worker has read it.

    Attributes:
      stamp: what the source calls its state; empty where the next try may fare better.
      sha256, reason: as in `Scan`.
      look: the picture in small, of one that is to be looked at.
      kept: where its record is among those of this build; below 0 when it has none.
    """

    stamp: str
    sha256: str
    reason: str = ""
    look: Look | None = None
    kept: int = -1


class Memory:
    """What earlier runs of the same build found; this one remembers nothing.

    Attributes:
      records: the folder that workers write records to, to be taken from there when shards are
        written; empty where none are kept.
    """

    records = ""

    def scans(self) -> Iterator[tuple[str, str, Scan]]:
        """Key, stamp and scan of the pictures that were read before; of two, the later counts."""
        yield from ()

    def knows(self, item: Item, scan: Scan) -> bool:
        """Whether this scan of the item is all that pass 2 needs of it."""
        return True

    def remember(self, scans: list[tuple[str, str, Scan]]) -> None:
        """Notes (key, stamp, scan) of pictures that were read; their records are there already."""


NO_MEMORY = Memory()
