"""The members of a zip in some 80 bytes each, where zipfile keeps 1 kB."""

import contextlib
import re
import struct
import zipfile
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import IO

import numpy as np

UTF8_FLAG = 0x800

# What zipfile needs of a member to read it, beside its name: header_offset, compress_size,
# file_size, CRC, flag_bits, compress_type.
_ROW = struct.Struct("<qQQIHH")
# Behind the end of any file, and still a place that can be asked for: there is nothing there.
_NOWHERE = 2**62


class _Handing(list[zipfile.ZipInfo]):
    """A list that hands on what is appended, `limit` times at most, and stays empty."""

    def __init__(self, take: Callable[[zipfile.ZipInfo], None], limit: int) -> None:
        super().__init__()
        self._take = take
        self._limit = limit
        self._handed = 0

    def append(self, info: zipfile.ZipInfo, /) -> None:
        self._handed += 1
        if self._handed > self._limit:
            raise ValueError(f"it has more than {self._limit} members")
        self._take(info)


class _Forgetting(dict[str, zipfile.ZipInfo]):
    """A dict that stays empty."""

    def __setitem__(self, key: str, info: zipfile.ZipInfo, /) -> None:
        pass


class Reader(zipfile.ZipFile):
    """zipfile's reader of archives, but that each member is given to `take` and then forgotten.

    Raises:
      ValueError: there are more members than `limit`.
    """

    def __init__(
        self, file: IO[bytes], take: Callable[[zipfile.ZipInfo], None], *, limit: int
    ) -> None:
        self._handing = _Handing(take, limit)
        super().__init__(file)

    # zipfile sets these two to empty ones and then fills them, a member at a time.
    @property
    def filelist(self) -> list[zipfile.ZipInfo]:
        return self._handing

    @filelist.setter
    def filelist(self, found: list[zipfile.ZipInfo]) -> None:
        for info in found:
            self._handing.append(info)

    @property
    def NameToInfo(self) -> dict[str, zipfile.ZipInfo]:  # noqa: N802
        return _Forgetting()

    @NameToInfo.setter
    def NameToInfo(self, found: dict[str, zipfile.ZipInfo]) -> None:  # noqa: N802
        pass


def key_of(info: zipfile.ZipInfo) -> str:
    """The name with / between its parts, as the packer meant it."""
    name = info.filename
    if not info.flag_bits & UTF8_FLAG and not name.isascii():
        # macOS packs UTF-8 names without the flag; zipfile then reads them as code page 437.
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    name = name.replace("\\", "/")
    return re.sub(r"^(\./)+", "", name) if name[:2] == "./" else name


class Members(Mapping[str, zipfile.ZipInfo]):
    """The members by their keys, in the order they were added; each look at one makes its record.

    They can be found once `index` was called.
    """

    def __init__(self) -> None:
        self._rows = bytearray()
        self._names = bytearray()
        self._ends = array("Q", [0])
        self._hashes = array("q")
        self._added = np.zeros(0, np.bool_)  # False: the key was there before
        self._ranked = np.zeros(0, np.int64)  # the hashes in their order, and where they are from
        self._order = np.zeros(0, np.int32)
        self._last: tuple[str, zipfile.ZipInfo | None] = "", None

    def add(self, key: str, info: zipfile.ZipInfo) -> None:
        """Adds a member, at the end; its key is `key_of(info)`."""
        # A zip that lost its beginning has members before it, a damaged one beyond 64 bits.
        offset = info.header_offset if 0 <= info.header_offset < _NOWHERE else _NOWHERE
        self._rows += _ROW.pack(
            offset,
            info.compress_size,
            info.file_size,
            info.CRC,
            info.flag_bits,
            info.compress_type,
        )
        self._names += info.orig_filename.encode()
        self._ends.append(len(self._names))
        self._hashes.append(hash(key))

    def index(self) -> int:
        """How many members go, because an earlier one has their key; the others can be found."""
        hashes = np.array(self._hashes)
        del self._hashes
        order = np.argsort(hashes, kind="stable")
        self._ranked, self._order = hashes[order], order.astype(np.int32)
        self._added = np.ones(len(hashes), np.bool_)
        keys: set[str] = set()
        last = -1
        for place in np.flatnonzero(self._ranked[1:] == self._ranked[:-1]).tolist():
            if place != last:
                keys = {self._key(self._order[place])}
            last = place + 1
            key = self._key(self._order[last])
            self._added[self._order[last]] = key not in keys
            keys.add(key)
        return int(np.count_nonzero(~self._added))

    def _record(self, row: int) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(self._names[self._ends[row] : self._ends[row + 1]].decode())
        (
            info.header_offset,
            info.compress_size,
            info.file_size,
            info.CRC,
            info.flag_bits,
            info.compress_type,
        ) = _ROW.unpack_from(self._rows, _ROW.size * row)
        return info

    def _key(self, row: int) -> str:
        return key_of(self._record(row))

    def __getitem__(self, key: str) -> zipfile.ZipInfo:
        last, info = self._last  # a member is asked for its stamp, and then for its bytes
        if info is not None and last == key:
            return info
        wanted = hash(key)
        for place in range(int(self._ranked.searchsorted(wanted)), len(self._ranked)):
            if self._ranked[place] != wanted:
                break
            row = int(self._order[place])
            info = self._record(row)
            if self._added[row] and key_of(info) == key:
                self._last = key, info
                return info
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return (self._key(row) for row in np.flatnonzero(self._added).tolist())

    def __len__(self) -> int:
        return int(np.count_nonzero(self._added))
