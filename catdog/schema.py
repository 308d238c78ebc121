"""The TFRecord contract, version 1, that the writer and every reader share.

A record is a `tf.train.Example` with the flat keys of `FEATURES`; shards carry the names that
TensorFlow Datasets gives. Records are encoded here, without TensorFlow, with sorted keys, so
equal examples are equal bytes. Version 1 is final: a change of any byte is a new version.
"""

import dataclasses
import functools
import struct
from typing import TYPE_CHECKING, Any

import google_crc32c

from catdog import _wire
from catdog._manifest import (
    MANIFEST_FILE,
    NO_SUMS,
    SCHEMA_VERSION,
    Manifest,
    Shard,
    Split,
    Statistics,
    Sums,
    check_files,
    manifest_text,
    read_checked,
    read_manifest,
    shard_from,
    statistics,
)

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = [
    "JPEG_END",
    "MANIFEST_FILE",
    "NO_SUMS",
    "SCHEMA_VERSION",
    "Example",
    "Manifest",
    "Shard",
    "Split",
    "Statistics",
    "Sums",
    "check_files",
    "checksum",
    "deserialize",
    "frame",
    "key_bytes",
    "manifest_text",
    "parse",
    "read_checked",
    "read_manifest",
    "serialize",
    "shard_from",
    "shard_name",
    "statistics",
]

NAME = "catdog"

# The marker that ends every JPEG; a cut one lacks it.
JPEG_END = b"\xff\xd9"

# field number of each kind of list in tf.train.Feature
_BYTES_LIST, _INT64_LIST = 1, 3
_LENGTH_DELIMITED = 2

_MASK_DELTA = 0xA282EAD8


@dataclasses.dataclass(frozen=True)
class Example:
    """One picture as it is stored.

    Attributes:
      encoded: the prepared picture, a JPEG of `height` × `width` RGB pixels.
      height: rows.
      width: columns.
      label: index into the class names.
      text: the class name.
      filename: the picture's key, its '/'-separated place in the source.
      sha256: of the source picture's bytes, hex.
      format: always "jpeg" in version 1.
    """

    encoded: bytes
    height: int
    width: int
    label: int
    text: str
    filename: str
    sha256: str
    format: str = "jpeg"


def shard_name(split: str, index: int, total: int) -> str:
    """The file name of a shard, for instance catdog-train.tfrecord-00000-of-00008."""
    return f"{NAME}-{split}.tfrecord-{index:05d}-of-{total:05d}"


def key_bytes(key: str) -> bytes:
    """The key as it is stored; a name that is no valid text keeps its odd bytes as \\udcxx."""
    return key.encode("utf-8", "backslashreplace")


# What `_varint` gives for the small numbers: a record has dozens of them.
_ONE_DIGIT = tuple(bytes([value]) for value in range(0x80))


def _varint(value: int) -> bytes:
    """`value` ≥ 0 in base 128, lowest digit first, as protocol buffers store integers."""
    if value < 0x80:
        return _ONE_DIGIT[value]
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def _field(number: int, content: bytes) -> bytes:
    tag = number << 3 | _LENGTH_DELIMITED
    return _varint(tag) + _varint(len(content)) + content


def _feature(value: bytes | int) -> bytes:
    if isinstance(value, bytes):
        return _field(_BYTES_LIST, _field(1, value))
    # a negative int64 is stored as its two's complement; packed is how proto3 writes numbers
    return _field(_INT64_LIST, _field(1, _varint(value & 0xFFFFFFFFFFFFFFFF)))


@functools.lru_cache(maxsize=1024)
def _known_entry(key: str, value: str | int) -> bytes:
    feature = _feature(value.encode() if isinstance(value, str) else value)
    return _field(1, _field(1, key.encode()) + _field(2, feature))


@functools.cache
def _key_field(key: str) -> bytes:
    return _field(1, key.encode())


def _entry(key: str, value: bytes) -> bytes:
    """What `_known_entry` gives, with the value copied once."""
    name, parts, size = _key_field(key), [value], len(value)
    for number in (1, _BYTES_LIST, 2):  # the value in its list, in its feature, in the entry
        parts.append(_varint(number << 3 | _LENGTH_DELIMITED) + _varint(size))
        size += len(parts[-1])
    parts += [name, _varint(1 << 3 | _LENGTH_DELIMITED) + _varint(size + len(name))]
    return b"".join(reversed(parts))


def serialize(example: Example) -> bytes:
    """The bytes of the example as a `tf.train.Example`, equal for equal examples."""
    entries = (  # by their keys; those that are known are of what many pictures have alike
        _known_entry("image/class/label", example.label),
        _known_entry("image/class/text", example.text),
        _entry("image/encoded", example.encoded),
        _entry("image/filename", key_bytes(example.filename)),
        _known_entry("image/format", example.format),
        _known_entry("image/height", example.height),
        _entry("image/key/sha256", example.sha256.encode()),
        _known_entry("image/width", example.width),
    )
    return _field(1, b"".join(entries))


def deserialize(record: bytes) -> Example:
    """The example whose bytes `serialize`, or TensorFlow, wrote; no TensorFlow is needed.

    Raises:
      ValueError: the record is no `tf.train.Example`, or lacks one of our features; it says what.
    """
    try:
        found = _wire.features(record)
    except ValueError as error:
        raise ValueError(f"it is no tf.train.Example ({error})") from None

    def one(key: str, kind: type) -> Any:
        values = found.get(key)
        if key not in found:
            raise ValueError(f"the feature {key} is missing")
        if values is None or len(values) != 1 or not isinstance(values[0], kind):
            what = "integer" if kind is int else "byte string"
            raise ValueError(f"the feature {key} is not one {what}")
        return values[0]

    def text(key: str) -> str:
        try:
            return str(one(key, bytes).decode())
        except UnicodeDecodeError:
            raise ValueError(f"the feature {key} is no UTF-8 text") from None

    return Example(
        encoded=one("image/encoded", bytes),
        height=one("image/height", int),
        width=one("image/width", int),
        label=one("image/class/label", int),
        text=text("image/class/text"),
        filename=text("image/filename"),
        sha256=text("image/key/sha256"),
        format=text("image/format"),
    )


def checksum(content: bytes) -> bytes:
    """The 4 bytes of the masked CRC-32C that a TFRecord file has behind this content."""
    crc = google_crc32c.value(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)


def frame(record: bytes) -> bytes:
    """The record as it stands in a TFRecord file: length, crc of it, record, crc of that."""
    length = struct.pack("<Q", len(record))
    return length + checksum(length) + record + checksum(record)


def _wanted() -> dict[str, Any]:
    import tensorflow as tf

    return {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/class/label": tf.io.FixedLenFeature([], tf.int64),
        "image/filename": tf.io.FixedLenFeature([], tf.string),
    }


def _named(parsed: dict[str, "tf.Tensor"]) -> dict[str, "tf.Tensor"]:
    return {
        "encoded": parsed["image/encoded"],
        "label": parsed["image/class/label"],
        "key": parsed["image/filename"],
    }


def parse(serialized: "tf.Tensor") -> dict[str, "tf.Tensor"]:
    """Scalars of one record (string []): "encoded" string, "label" int64, "key" string."""
    import tensorflow as tf

    return _named(tf.io.parse_single_example(serialized, _wanted()))
