"""Kept records come back as they were, and what a kill or a power cut left of them does not."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog import images
from catdog.errors import IntegrityError
from data_tools import _prepare
from data_tools._prepare import Record
from data_tools._spool import Owner, Spool

PREPARATION = _prepare.Preparation(
    class_names=("cat", "dog"), image_size=16, resize="squash", jpeg_quality=90, max_pixels=1000
)
OWNERS = [Owner("a\n\udc80", 1, "ab" * 32), Owner("b", 0, "cd" * 32), Owner("c", 1, "")]
FOURTH = Owner("d", 1, "ef" * 32)


def record(owner: Owner) -> Record:
    pixels = np.random.default_rng(len(owner.key)).integers(0, 256, (16, 16, 3), np.uint8)
    square = images.Square(pixels, 256, image=Image.fromarray(pixels))
    return _prepare.record(PREPARATION, square, **dataclasses.asdict(owner))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of three records."""
    spool = Spool(tmp_path / "records")
    for owner in OWNERS:
        spool.add(owner, record(owner))
    spool.close()
    return tmp_path / "records"


def places(path: Path) -> list[int]:
    spool = Spool(path.with_name("again"))
    found = [spool.add(owner, record(owner)) for owner in OWNERS]
    spool.close()
    return found


def test_records_come_back_as_they_were(path: Path) -> None:
    spool = Spool(path)
    for place, owner in zip(places(path), OWNERS, strict=True):
        assert spool.get(place, owner) == record(owner)
        assert spool.taken(place, owner) == record(owner)
    more = spool.add(FOURTH, record(FOURTH))
    assert more == path.stat().st_size
    spool.flush()
    assert spool.get(more, FOURTH) == record(FOURTH)
    spool.close()


def test_a_record_of_another_picture_or_place_is_none(path: Path) -> None:
    spool = Spool(path)
    first, second, _ = places(path)
    assert spool.get(first, OWNERS[1]) is None
    for change in ({"key": "a"}, {"label": 1}, {"sha256": OWNERS[0].sha256}):
        assert spool.get(second, dataclasses.replace(OWNERS[1], **change)) is None
    for place in (-1, first + 1, path.stat().st_size, 10**12):
        assert spool.get(place, OWNERS[0]) is None
    with pytest.raises(IntegrityError, match="reads back other bytes .*; check the disk"):
        spool.taken(first + 1, OWNERS[0])
    spool.close()


def test_a_cut_or_damaged_record_is_none_and_the_others_stay(path: Path) -> None:
    whole, (first, second, third) = path.read_bytes(), places(path)
    for damaged in range(second, third, 7):
        data = bytearray(whole)
        data[damaged] ^= 4
        path.write_bytes(data)
        spool = Spool(path)
        assert spool.get(second, OWNERS[1]) is None
        assert spool.get(first, OWNERS[0]) and spool.get(third, OWNERS[2])
        spool.close()
    for size in (third - 1, second + 20, second + 5):
        path.write_bytes(whole[:size])
        spool = Spool(path)
        assert spool.get(second, OWNERS[1]) is None
        assert spool.get(first, OWNERS[0])
        spool.close()
    path.write_bytes(whole[:second] + bytes(third - second))  # what a power cut may leave
    spool = Spool(path)
    assert spool.get(second, OWNERS[1]) is None
    spool.close()


def test_what_follows_half_a_record_is_whole(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 9)
    spool = Spool(path)
    place = spool.add(OWNERS[2], record(OWNERS[2]))
    spool.flush()
    assert spool.get(place, OWNERS[2]) == record(OWNERS[2])
    spool.close()
