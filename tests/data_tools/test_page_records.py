"""Shards are read back as they were written, and damage is named by file and record."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from catdog import schema
from catdog.errors import IntegrityError
from data_tools import _page_records, browse_tfrecords
from data_tools.config import BrowseConfig

KEYS = ("a/1.jpg", "b/ü\udcff.jpg", "c" * 300)


def record(key: str, label: int, picture: bytes) -> bytes:
    example = schema.Example(
        encoded=picture,
        height=2,
        width=2,
        label=label,
        text="x",
        filename=key,
        sha256=hashlib.sha256(picture).hexdigest(),
    )
    return schema.frame(schema.serialize(example))


def shard(folder: Path, content: bytes, examples: int) -> schema.Split:
    """A split of one file with this content."""
    name = schema.shard_name("train", 0, 1)
    (folder / name).write_bytes(content)
    described = schema.Shard(name, examples, len(content), "", schema.NO_SUMS)
    return schema.Split("train", (described,), (examples,))


FRAMES = [record(key, 128 * number, bytes([number]) * 99) for number, key in enumerate(KEYS)]


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    found = list(_page_records.records(tmp_path, shard(tmp_path, b"".join(FRAMES), 3), 257))
    assert [each.key for each in found] == [KEYS[0], "b/ü\\udcff.jpg", KEYS[2]]
    assert [each.label for each in found] == [0, 128, 256]
    assert [each.jpeg for each in found] == [bytes([number]) * 99 for number in range(3)]
    assert [(each.split, each.shard, each.record) for each in found] == [
        ("train", 0, number) for number in range(3)
    ]
    assert found[1].sha256 == hashlib.sha256(b"\x01" * 99).hexdigest()


def flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1
    return bytes(changed)


DAMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "bit of a length": (lambda: flipped(b"".join(FRAMES), 2), "record 0 .*checksum of its length"),
    "bit of a record": (
        lambda: FRAMES[0] + flipped(FRAMES[1], 60) + FRAMES[2],
        "record 1 .*checksum of its bytes is wrong",
    ),
    "cut in a header": (
        lambda: FRAMES[0] + FRAMES[1][:5],
        "record 1 .*ends 5 bytes into the record's header",
    ),
    "cut in a record": (lambda: b"".join(FRAMES)[:-9], "record 2 .*ends inside the record"),
    "cut between two": (lambda: b"".join(FRAMES[:2]), "has 2 records, its manifest says 3"),
    "one too many": (lambda: b"".join([*FRAMES, FRAMES[0]]), "has 4 records"),
    "bytes behind": (lambda: b"".join(FRAMES) + b"more and more", "record 3 .*checksum"),
    "empty": (lambda: b"", "has 0 records"),
    "no example": (
        lambda: FRAMES[0] + schema.frame(b"\xff" * 40),
        "record 1 .*no tf.train.Example",
    ),
    "an empty example": (
        lambda: FRAMES[0] + schema.frame(b""),
        "record 1 .*image/encoded is missing",
    ),
    "an unknown label": (lambda: record("k", 300, b""), "the label 300 is none of the 257 classes"),
    "a label below 0": (lambda: record("k", -1, b""), "is none of the 257 classes"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_by_file_and_record(tmp_path: Path, damage: str) -> None:
    content, said = DAMAGES[damage]
    split = shard(tmp_path, content(), 3)
    with pytest.raises(IntegrityError, match=f"{split.shards[0].file}.* {said}".replace(",", ".?")):
        list(_page_records.records(tmp_path, split, 257))


def test_a_missing_shard_is_an_integrity_error(tmp_path: Path) -> None:
    split = shard(tmp_path, b"".join(FRAMES), 3)
    (tmp_path / split.shards[0].file).unlink()
    with pytest.raises(IntegrityError, match=split.shards[0].file):
        list(_page_records.records(tmp_path, split, 257))


def test_a_broken_picture_inside_of_a_sound_record_is_named(tmp_path: Path) -> None:
    split = shard(tmp_path, record("bad.jpg", 0, b"no picture"), 1)
    manifest = schema.Manifest(
        schema_version=1,
        class_names=("x",),
        preparation={"image_size": 2},
        source={},
        build={},
        counts={},
        libraries={},
        files={},
        splits={"train": dataclasses.replace(split, label_counts=(1,))},
    )
    (tmp_path / schema.MANIFEST_FILE).write_text(schema.manifest_text(manifest))
    page = tmp_path / "page.html"
    config = BrowseConfig(data_dir=str(tmp_path), output_file=str(page))
    with pytest.raises(IntegrityError, match=r"record 0 \(from 0\), 'bad.jpg'"):
        browse_tfrecords.main(config)
    assert not page.exists()
