"""The records of an unfinished build, in the order in which its pictures were read.

Each lies there in a frame of its own, with a checksum over it, behind the sums over its pixels and
the digest of whose it is: what a machine that lost its power left of the file is told from what was
written.
"""

import contextlib
import dataclasses
import hashlib
import os
import struct
from pathlib import Path

from catdog import schema
from catdog.errors import IntegrityError
from data_tools._prepare import Record

_SUMS = struct.Struct("<13q")
_DIGEST = 32
_HEADER, _FOOTER = 12, 4


@dataclasses.dataclass(frozen=True)
class Owner:
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


class Spool:
    """Records by their places in a file, which only grows."""

    def __init__(self, path: Path) -> None:
        """Goes on behind what is in the file."""
        self._path = path
        self._file = path.open("ab")
        self._size = path.stat().st_size
        self._descriptor = os.open(path, os.O_RDONLY)

    def add(self, owner: Owner, record: Record) -> int:
        """The place of the record of this picture from now on; `flush` makes it readable.

        Raises:
          OSError: the disk refused.
        """
        place = self._size
        self._size += self._file.write(
            schema.frame(owner.digest() + _packed(record.sums) + record.framed)
        )
        return place

    def flush(self) -> None:
        """Hands what was added to the system, which keeps it when this process is killed."""
        self._file.flush()

    def get(self, place: int, owner: Owner) -> Record | None:
        """The record at this place; None when that is not, or not whole, of this picture."""
        if place < 0:
            return None
        header = os.pread(self._descriptor, _HEADER, place)
        if len(header) < _HEADER or schema.checksum(header[:8]) != header[8:]:
            return None
        (length,) = struct.unpack("<Q", header[:8])
        data = os.pread(self._descriptor, length + _FOOTER, place + _HEADER)
        payload, crc = data[:length], data[length:]
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
                f"{self._path} reads back other bytes than were written; check the disk"
            )
        return record

    def close(self) -> None:
        """Lets go of the file; what cannot be written any more is lost."""
        os.close(self._descriptor)
        with contextlib.suppress(OSError):
            self._file.close()
