"""The records of an unfinished build, in files of one worker each.

Each lies there in a frame of its own, with a checksum over it, behind the sums over its pixels and
the digest of whose it is: what a machine that lost its power left of a file is told from what was
written. What a worker has written is readable at once, and stays when processes are killed.
"""

import fcntl
import functools
import hashlib
import itertools
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from catdog import schema
from catdog.errors import IntegrityError
from data_tools._prepare import Record

_SUMS = struct.Struct("<13q")
_DIGEST = 32
_HEADER, _FOOTER = 12, 4
# Bytes that are read at once; a record of 256 by 256 pixels has fewer as a rule.
_FIRST_READ = 40_000
# A place is the number of a file and, in so many bits, where in it. It is below PLACES.
_OFFSET_BITS = 44
PLACES = 2**62


class Owner(NamedTuple):
    """The picture that a record is of; its sha256 is in hex."""

    key: str
    label: int
    sha256: str

    def digest(self) -> bytes:
        """Another one for another picture."""
        told = f"{self.label}\0{self.sha256}\0".encode()
        return hashlib.sha256(told + schema.key_bytes(self.key)).digest()


def _packed(sums: schema.Sums) -> bytes:
    products = (value for row in sums.products for value in row)
    return _SUMS.pack(sums.pixels, *sums.sum, *products)


def _unpacked(data: bytes) -> schema.Sums:
    pixels, *values = _SUMS.unpack(data)
    rows = (tuple(values[start : start + 3]) for start in (3, 6, 9))
    return schema.Sums(pixels, tuple(values[:3]), tuple(rows))


def _locked(path: Path) -> int | None:
    """The file, open to add to; None when another process does, its build perhaps ended already."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


class Writer:
    """Adds records to a file that nobody else writes to, behind what is there."""

    def __init__(self, folder: Path) -> None:
        """Takes the first file that is free; its name is its number."""
        numbers = itertools.count()
        while (file := _locked(folder / str(number := next(numbers)))) is None:
            pass
        self._number, self._file = number, file
        self._size = os.fstat(file).st_size

    def add(self, owners: Sequence[Owner], records: Sequence[Record]) -> list[int]:
        """The places of the records of these pictures from now on.

        Raises:
          OSError: the disk refused.
        """
        place, places, frames = self._size, [], []
        for owner, record in zip(owners, records, strict=True):
            frame = schema.frame(owner.digest() + _packed(record.sums) + record.framed)
            frames.append(frame)
            places.append(self._number << _OFFSET_BITS | place)
            place += len(frame)
        data = b"".join(frames)
        while data:
            written = os.write(self._file, data)
            self._size += written
            data = data[written:]
        return places

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._file)


@functools.cache
def writer(folder: str) -> Writer:
    """The one of this process that adds to the records in this folder."""
    return Writer(Path(folder))


class Spool:
    """Finds records by their places."""

    def __init__(self, folder: Path) -> None:
        """Of the files in a folder, which is there."""
        self._folder = folder
        self._files: dict[int, int] = {}

    def _file(self, number: int) -> int:
        if number not in self._files:
            self._files[number] = os.open(self._folder / str(number), os.O_RDONLY)
        return self._files[number]

    def get(self, place: int, owner: Owner) -> Record | None:
        """The record at this place; None when that is not, or not whole, of this picture."""
        if place < 0:
            return None
        try:
            file = self._file(place >> _OFFSET_BITS)
        except FileNotFoundError:
            return None
        place &= (1 << _OFFSET_BITS) - 1
        data = os.pread(file, _FIRST_READ, place)
        header, end = data[:_HEADER], _HEADER + _FOOTER
        if len(header) < _HEADER or schema.checksum(header[:8]) != header[8:]:
            return None
        (length,) = struct.unpack("<Q", header[:8])
        if end + length > len(data) == _FIRST_READ:
            data += os.pread(file, end + length - _FIRST_READ, place + _FIRST_READ)
        payload, crc = data[_HEADER : _HEADER + length], data[_HEADER + length : end + length]
        if schema.checksum(payload) != crc or payload[:_DIGEST] != owner.digest():
            return None
        sums_end = _DIGEST + _SUMS.size
        return Record(payload[sums_end:], _unpacked(payload[_DIGEST:sums_end]))

    def taken(self, place: int, owner: Owner) -> Record:
        """The record at this place.

        Raises:
          IntegrityError: that was written, and is not there any more.
        """
        record = self.get(place, owner)
        if record is None:
            raise IntegrityError(
                f"{self._folder} reads back other bytes than were written; check the disk"
            )
        return record

    def close(self) -> None:
        """Lets go of the files."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()
