"""Frames against what TensorFlow reads, damage against the place where it was done."""

from collections.abc import Callable
from pathlib import Path

import pytest

from catdog import schema, shards
from catdog.shards import Flaw, HashedFile, Place, Record


def framed(folder: Path, *payloads: bytes) -> Path:
    path = folder / "shard"
    path.write_bytes(b"".join(map(schema.frame, payloads)))
    return path


def read(path: Path, due: int | None = None) -> list[Record | Flaw]:
    with path.open("rb") as file:
        return list(shards.frames(HashedFile(file), due))


def changed(path: Path, place: int, mask: int = 1) -> Path:
    content = bytearray(path.read_bytes())
    content[place] ^= mask
    path.write_bytes(content)
    return path


def test_records_are_those_that_tensorflow_reads_and_parses(
    tiny_data: Callable[..., Path],
) -> None:
    import tensorflow as tf

    folder = tiny_data({"train": 9}, shards=2)
    for shard in schema.read_manifest(folder).split("train").shards:
        path = folder / shard.file
        found = read(path)
        payloads = [frame.payload for frame in found if isinstance(frame, Record)]
        assert payloads == list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
        assert [frame.number for frame in found] == list(range(shard.examples))
        content = path.read_bytes()
        for frame in found:
            assert content[frame.offset + 12 :].startswith(frame.payload)
            feature = tf.train.Example.FromString(frame.payload).features.feature
            example = schema.deserialize(frame.payload)
            assert example.encoded == feature["image/encoded"].bytes_list.value[0]
            assert example.label == feature["image/class/label"].int64_list.value[0]
            assert example.filename.encode() == feature["image/filename"].bytes_list.value[0]
            assert example.sha256.encode() == feature["image/key/sha256"].bytes_list.value[0]
            assert (example.height, example.width, example.format) == (256, 256, "jpeg")


def test_records_may_be_empty_and_a_file_too(tmp_path: Path) -> None:
    assert read(framed(tmp_path)) == []
    assert read(framed(tmp_path, b"", b"x")) == [Record(0, 0, b""), Record(1, 16, b"x")]


def test_a_wrong_checksum_of_the_bytes_costs_one_record(tmp_path: Path) -> None:
    path = changed(framed(tmp_path, b"one", b"two", b"three"), 19 + 12)
    first, second, third = read(path)
    assert (first, third) == (Record(0, 0, b"one"), Record(2, 38, b"three"))
    assert isinstance(second, Flaw)
    assert (second.number, second.offset, second.payload) == (1, 19, b"uwo")
    assert "checksum of its bytes" in second.reason


@pytest.mark.parametrize("place", [19, 19 + 7, 19 + 8, 19 + 11])
def test_a_wrong_length_ends_the_reading_there(tmp_path: Path, place: int) -> None:
    *_, last = read(changed(framed(tmp_path, b"one", b"two", b"three"), place, 0x40))
    assert isinstance(last, Flaw)
    assert (last.number, last.offset, last.is_end) == (1, 19, True)
    assert "checksum of its length" in last.reason


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (20, "ends 1 bytes into the record's header"),
        (30, "ends 11 bytes into the record's header"),
        (31, "3 bytes long, and 0 are left"),
        (37, "3 bytes long, and 6 are left"),
    ],
)
def test_a_cut_inside_a_record_is_told(tmp_path: Path, size: int, words: str) -> None:
    path = framed(tmp_path, b"one", b"two")
    path.write_bytes(path.read_bytes()[:size])
    first, last = read(path, due=2)
    assert isinstance(last, Flaw)
    assert (first, last.number, last.offset) == (Record(0, 0, b"one"), 1, 19)
    assert words in last.reason


@pytest.mark.parametrize("tail", [b"\0", b"x" * 11, b"x" * 12, b"x" * 500])
def test_bytes_behind_the_last_record_are_told(tmp_path: Path, tail: bytes) -> None:
    path = framed(tmp_path, b"one")
    path.write_bytes(path.read_bytes() + tail)
    _, last = read(path, due=1)
    assert isinstance(last, Flaw)
    assert (last.number, last.offset) == (1, 19)
    assert last.reason == f"{len(tail)} bytes that are no record follow the last one"


def test_a_length_of_exabytes_is_not_believed(tmp_path: Path) -> None:
    length = (1 << 62).to_bytes(8, "little")
    path = tmp_path / "shard"
    path.write_bytes(length + schema.checksum(length) + b"x" * 100)
    (flaw,) = read(path)
    assert isinstance(flaw, Flaw)
    assert "and 100 are left" in flaw.reason


def test_an_address_names_shard_record_offset_and_key(tiny_data: Callable[..., Path]) -> None:
    folder = tiny_data({"train": 9}, shards=3)
    split = schema.read_manifest(folder).split("train")
    number = 0
    for shard in split.shards:
        for record in read(folder / shard.file):
            wanted = Place(shard.file, record.number, record.offset, f"train/{number}.jpg")
            assert shards.address(folder, split, number) == wanted
            number += 1
    assert number == 9
    for outside in (-1, 9):
        with pytest.raises(IndexError, match="has 9 examples"):
            shards.address(folder, split, outside)


def test_an_address_in_a_damaged_or_missing_shard_has_what_is_known(
    tiny_data: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tiny_data({"train": 9}, shards=1)
    split = schema.read_manifest(folder).split("train")
    name = split.shards[0].file
    (tmp_path / name).write_bytes((folder / name).read_bytes()[:50])
    assert shards.address(tmp_path, split, 4) == Place(name, 4)
    (tmp_path / name).unlink()
    assert shards.address(tmp_path, split, 4) == Place(name, 4)


def test_a_place_is_one_line_however_odd_its_key() -> None:
    place = Place("shard", 3, 12, "a\nb\N{RIGHT-TO-LEFT OVERRIDE}.jpg")
    assert str(place) == r"shard, record 3 (byte 12, key 'a\nb\u202e.jpg')"
    assert str(Place("shard")) == "shard"


# ---- parsing ----


def test_numbers_may_be_unpacked_and_entries_in_any_order_and_repeated() -> None:
    import tensorflow as tf

    example = schema.Example(b"jpeg", 4, 5, 6, "dog", "key", "00")
    tensorflow = tf.train.Example.FromString(schema.serialize(example))
    feature = tensorflow.features.feature
    feature["another/floats"].float_list.value.extend([1.5, 2.5])
    feature["another/empty"].SetInParent()
    assert schema.deserialize(tensorflow.SerializeToString()) == example
    # field 3 (int64 list) of 4 bytes: field 1 twice, each a plain number; field 1 is the map's key
    unpacked = b"\x0a\x12\x0a\x10" + b"\x0a\x06number" + b"\x12\x06\x1a\x04\x08\x01\x08\x02"
    parsed = tf.train.Example.FromString(unpacked)
    from catdog import _wire

    assert list(parsed.features.feature["number"].int64_list.value) == [1, 2]
    assert _wire.features(unpacked) == {"number": [1, 2]}
    again = tf.train.Example()
    again.features.feature["number"].bytes_list.value.append(b"later")
    both = unpacked + again.SerializeToString()
    kept = tf.train.Example.FromString(both).features.feature["number"].bytes_list.value
    assert _wire.features(both)["number"] == list(kept)


def test_what_tensorflow_cannot_parse_is_refused_and_nothing_crashes() -> None:
    import numpy as np
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    sound = schema.serialize(schema.Example(b"jpeg" * 9, 300, 5, -6, "dog", "key", "ab" * 32))
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        broken = bytearray(sound[: rng.integers(1, len(sound) + 1)])
        broken[rng.integers(len(broken))] = rng.integers(256)
        try:
            wanted = tf.train.Example.FromString(bytes(broken)).features.feature
        except DecodeError:
            wanted = None
        try:
            found = schema.deserialize(bytes(broken))
        except ValueError:
            refused += 1
        else:
            assert wanted is not None
            assert wanted["image/encoded"].bytes_list.value[0] == found.encoded
            assert wanted["image/class/label"].int64_list.value[0] == found.label
    assert refused > 100


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"image/width", b"image/vidth", "the feature image/width is missing"),
        (b"\x0a\x05\x0a\x03dog", b"\x1a\x05\x0a\x03\x07\x07\x07", "is not one byte string"),
        (b"dog", b"d\xffg", "image/class/text is no UTF-8 text"),
    ],
)
def test_what_is_missing_or_of_another_type_is_named(old: bytes, new: bytes, words: str) -> None:
    record = schema.serialize(schema.Example(b"jpeg", 4, 5, 6, "dog", "key", "00"))
    assert old in record
    with pytest.raises(ValueError, match=words):
        schema.deserialize(record.replace(old, new))


@pytest.mark.parametrize("record", [b"hello", b"\x0a", b"\x0a\x05abc", b"\xff" * 20, b"\0"])
def test_what_is_no_example_says_so(record: bytes) -> None:
    with pytest.raises(ValueError, match=r"it is no tf.train.Example \("):
        schema.deserialize(record)


def test_a_hash_covers_what_is_left_of_the_file(tmp_path: Path) -> None:
    import hashlib

    path = framed(tmp_path, b"one", b"two")
    with path.open("rb") as file:
        hashed = HashedFile(file)
        next(shards.frames(hashed))
        assert hashed.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
