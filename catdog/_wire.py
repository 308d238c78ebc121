"""A serialized `tf.train.Example` read back without TensorFlow. Public in `schema`.

https://protobuf.dev/programming-guides/encoding describes the bytes: fields of (number, kind,
value) one after the other, in which later entries of a map replace earlier ones, and unknown
fields are passed over.
"""

from collections.abc import Iterator

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
# field number of each kind of list in tf.train.Feature
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_MOST_DIGITS = 10  # of 7 bits, for 64 bits

Values = list[bytes] | list[int] | None


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """The integer whose lowest digit is at `place`, and the place behind it."""
    value = 0
    for digit in range(_MOST_DIGITS):
        if place + digit >= len(data):
            raise ValueError("it ends within a number")
        byte = data[place + digit]
        value |= (byte & 0x7F) << 7 * digit
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place + digit + 1
    raise ValueError("a number has more than 64 bits")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of each field of a message."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise ValueError("a field has the number 0")
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        sizes = {_FIXED64: 8, _FIXED32: 4}
        if kind == _LENGTH_DELIMITED:
            size, place = _varint(data, place)
        elif kind in sizes:
            size = sizes[kind]
        else:
            raise ValueError(f"a field is of the unknown kind {kind}")
        if place + size > len(data):
            raise ValueError("it ends within a field")
        yield number, data[place : place + size]
        place += size


def _messages(data: bytes, number: int) -> Iterator[bytes]:
    """The messages and strings in the fields of this number."""
    for found, value in _fields(data):
        if found == number:
            if not isinstance(value, bytes):
                raise ValueError("a number stands where a message has to be")
            yield value


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _int64_list(data: bytes) -> list[int]:
    """The numbers of an Int64List, packed or not."""
    found = []
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            found.append(_signed(value))
        elif number == 1 and isinstance(value, bytes):
            place = 0
            while place < len(value):
                one, place = _varint(value, place)
                found.append(_signed(one))
    return found


def _values(feature: bytes) -> Values:
    """What a Feature holds: byte strings, integers, or None for floats and for nothing."""
    found: Values = None
    for number, value in _fields(feature):
        if number in (_BYTES_LIST, _FLOAT_LIST, _INT64_LIST) and not isinstance(value, bytes):
            raise ValueError("a number stands where a list has to be")
        if number == _BYTES_LIST and isinstance(value, bytes):
            found = list(_messages(value, 1))
        elif number == _INT64_LIST and isinstance(value, bytes):
            found = _int64_list(value)
        elif number == _FLOAT_LIST:
            found = None
    return found


def features(record: bytes) -> dict[str, Values]:
    """The features of a serialized `tf.train.Example` by key; None for one of floats.

    Raises:
      ValueError: the bytes are no such message; it says why.
    """
    found: dict[str, Values] = {}
    for message in _messages(record, 1):
        for entry in _messages(message, 1):
            keys, values = list(_messages(entry, 1)), list(_messages(entry, 2))
            key = keys[-1].decode() if keys else ""
            found[key] = _values(values[-1]) if values else None
    return found
