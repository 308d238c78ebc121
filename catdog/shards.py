"""TFRecord files read record by record without TensorFlow, and where an example is in them.

A file is a row of frames (`schema.frame`): 8 bytes of length, 4 of its checksum, the record, 4 of
its checksum. tf.data says that a file is damaged; this says where, and goes on behind it.
"""

import dataclasses
import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from catdog import schema

_HEADER = 12
_FOOTER = 4
_BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Record:
    """The bytes of one record, its number in the file (from 0), and where its frame begins."""

    number: int
    offset: int
    payload: bytes


@dataclasses.dataclass(frozen=True)
class Flaw:
    """Where a file is no row of sound frames, and why.

    Attributes:
      number: of the record that is damaged, or would come here.
      offset: where its frame begins.
      reason: in words.
      payload: the bytes of a record whose own checksum alone is wrong, else empty.
      is_end: whether nothing behind it can be told apart.
    """

    number: int
    offset: int
    reason: str
    payload: bytes = b""
    is_end: bool = True


class HashedFile:
    """A file that is read front to back, and the sha256 of what has been read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = os.fstat(file.fileno()).st_size

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end."""
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def sha256(self) -> str:
        """The sha256 (hex) of the whole file; what is left of it is read."""
        while self.read(_BLOCK):
            pass
        return self._digest.hexdigest()


def _length(header: bytes) -> int | None:
    """The record's length that a frame's header states; None when its checksum is wrong."""
    if schema.checksum(header[:8]) != header[8:]:
        return None
    return int(struct.unpack("<Q", header[:8])[0])


def _frame(file: HashedFile, number: int, offset: int, due: int | None) -> Record | Flaw:
    """The frame at `offset`, where the file stands; it is not at its end."""
    header = file.read(_HEADER)
    left = file.size - offset
    length = _length(header) if len(header) == _HEADER else None
    if number == due and length is None:
        return Flaw(number, offset, f"{left} bytes that are no record follow the last one")
    if len(header) < _HEADER:
        return Flaw(number, offset, f"the file ends {len(header)} bytes into the record's header")
    if length is None:
        return Flaw(number, offset, "the checksum of its length is wrong, so no later one is found")
    if length > left - _HEADER - _FOOTER:
        has = f"{length} bytes long, and {max(left - _HEADER, 0)} are left"
        return Flaw(number, offset, f"the file ends inside the record: it is {has}")
    payload, checksum = file.read(length), file.read(_FOOTER)
    if schema.checksum(payload) != checksum:
        return Flaw(number, offset, "the checksum of its bytes is wrong", payload, is_end=False)
    return Record(number, offset, payload)


def frames(file: HashedFile, due: int | None = None) -> Iterator[Record | Flaw]:
    """Each record of the file, or what is wrong with it; ends where no frame is found any more.

    Args:
      file: just opened.
      due: how many records there should be; what follows them and is no record is called so.
    """
    number, offset = 0, 0
    while offset < file.size:
        found = _frame(file, number, offset, due)
        yield found
        if isinstance(found, Flaw) and found.is_end:
            return
        offset += _HEADER + len(found.payload) + _FOOTER
        number += 1


@dataclasses.dataclass(frozen=True)
class Place:
    """Where something is: a file, and as far as known a record, where it begins, and its key."""

    file: str
    record: int | None = None
    offset: int | None = None
    key: str = ""

    def __str__(self) -> str:
        text = self.file
        if self.record is not None:
            text += f", record {self.record}"
        about = [] if self.offset is None else [f"byte {self.offset}"]
        about += [f"key {self.key!r}"] if self.key else []
        return f"{text} ({', '.join(about)})" if about else text


def key_of(payload: bytes) -> str:
    """The key in a record that may be damaged; empty where there is none."""
    try:
        return schema.deserialize(payload).filename
    except ValueError:
        return ""


def record_at(path: Path, number: int) -> Record | None:
    """The record of this number, whatever its checksum says; None where it cannot be reached.

    The records before it are stepped over, not read.
    """
    offset = 0
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for passed in range(number + 1):
            file.seek(offset)
            header = file.read(_HEADER)
            length = _length(header) if len(header) == _HEADER else None
            if length is None or length > size - offset - _HEADER - _FOOTER:
                return None
            if passed < number:
                offset += _HEADER + length + _FOOTER
        return Record(number, offset, file.read(length))


def shard_of(split: schema.Split, example: int) -> tuple[schema.Shard, int]:
    """The shard and the record's number in it of an example's number in the split.

    Examples are numbered through the shards in the order of the manifest, as `data.order` does.

    Raises:
      IndexError: the split has no such example.
    """
    if example >= 0:
        for shard in split.shards:
            if example < shard.examples:
                return shard, example
            example -= shard.examples
    raise IndexError(f"the split {split.name} has {split.examples} examples, from 0")


def address(data_dir: Path, split: schema.Split, example: int) -> Place:
    """Where the example of this number is; without offset and key where that is not readable.

    Raises:
      IndexError: the split has no such example.
    """
    shard, number = shard_of(split, example)
    try:
        record = record_at(data_dir / shard.file, number)
    except OSError:
        record = None
    if record is None:
        return Place(shard.file, number)
    return Place(shard.file, number, record.offset, key_of(record.payload))
