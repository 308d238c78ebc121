"""The examples of a data set, one by one as they lie in its shards, without TensorFlow."""

import dataclasses
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from catdog import schema
from catdog.errors import IntegrityError

_HEADER, _FOOTER = 12, 4
_WAY_OUT = "copy the data set again or rebuild it with python -m data_tools.build_tfrecords"


@dataclasses.dataclass(frozen=True)
class Record:
    """An example and its place: the `record`-th, from 0, of the `shard`-th shard of its split."""

    key: str
    label: int
    sha256: str
    jpeg: bytes
    split: str
    shard: int
    record: int


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that starts at `at`, and where the next thing starts."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """(number, content) of each field of a message; what a tf.train.Example never has raises."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        value, at = _varint(data, at)
        if tag & 7 == 2:
            if at + value > len(data):
                raise ValueError("a field is longer than its message")
            yield tag >> 3, data[at : at + value]
            at += value
        elif tag & 7 == 0:
            yield tag >> 3, value
        else:
            raise ValueError(f"a field of the kind {tag & 7}")


def _only(data: bytes, number: int) -> bytes:
    """The content of the message's last field `number`, which counts, as protocol buffers say."""
    found = [content for field, content in _fields(data) if field == number]
    if not found or not isinstance(found[-1], bytes):
        raise ValueError(f"no field {number}")
    return found[-1]


def _features(payload: bytes) -> dict[str, bytes]:
    """The feature messages of a serialized tf.train.Example by their names."""
    return {
        _only(entry, 1).decode(): _only(entry, 2)
        for number, entry in _fields(_only(payload, 1))
        if number == 1 and isinstance(entry, bytes)
    }


def _text(feature: bytes) -> bytes:
    return _only(_only(feature, 1), 1)


def _number(feature: bytes) -> int:
    """The int64, packed (as we write it) or not (as other writers may)."""
    content = next(content for number, content in _fields(_only(feature, 3)) if number == 1)
    return content if isinstance(content, int) else _varint(content, 0)[0]


def _payloads(file: BinaryIO) -> Iterator[bytes]:
    """The serialized examples of a TFRecord file, their checksums compared."""
    while header := file.read(_HEADER):
        if len(header) < _HEADER:
            raise ValueError("the file ends within a record")
        (length,) = struct.unpack("<Q", header[:8])
        # A flipped bit of the length would ask for more memory than there is.
        if schema.frame(header[:8])[_HEADER:] != header:
            raise ValueError("the checksum of a length differs")
        rest = file.read(length + _FOOTER)
        if len(rest) < length + _FOOTER:
            raise ValueError("the file ends within a record")
        if schema.frame(rest[:length])[_HEADER:] != rest:
            raise ValueError("a checksum differs")
        yield rest[:length]


def records(data_dir: Path, split: schema.Split, classes: int) -> Iterator[Record]:
    """The examples of the split, in the order of its shards and of the records in them.

    Raises:
      IntegrityError: a shard cannot be read as the manifest describes it; the message names the
        file and the record.
    """
    for index, shard in enumerate(split.shards):
        place = 0
        try:
            with (data_dir / shard.file).open("rb") as file:
                for payload in _payloads(file):
                    yield _record(payload, split.name, index, place, classes)
                    place += 1
        except (OSError, ValueError, LookupError, StopIteration) as error:
            raise IntegrityError(
                f"{shard.file}, record {place} (from 0): {error or 'not an example'}; {_WAY_OUT}"
            ) from None
        if place != shard.examples:
            raise IntegrityError(
                f"{shard.file} has {place} records, its manifest says {shard.examples}; {_WAY_OUT}"
            )


def _record(payload: bytes, split: str, shard: int, place: int, classes: int) -> Record:
    features = _features(payload)
    label = _number(features["image/class/label"])
    if not 0 <= label < classes:
        raise ValueError(f"the label {label} is none of the {classes} classes")
    return Record(
        key=_text(features["image/filename"]).decode("utf-8", "backslashreplace"),
        label=label,
        sha256=_text(features["image/key/sha256"]).decode("ascii", "replace"),
        jpeg=_text(features["image/encoded"]),
        split=split,
        shard=shard,
        record=place,
    )
