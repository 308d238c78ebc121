"""Kept records come back as they were, and what a kill or a power cut left of them does not."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog import images
from catdog.errors import IntegrityError
from data_tools import _prepare, _spool
from data_tools._prepare import Record
from data_tools._spool import Owner, Spool, Writer, writer

PREPARATION = _prepare.Preparation(
    class_names=("cat", "dog"), image_size=16, resize="squash", jpeg_quality=90, max_pixels=1000
)
OWNERS = [Owner("a\n\udc80", 1, "ab" * 32), Owner("b", 0, "cd" * 32), Owner("c", 1, "")]
FOURTH = Owner("d", 1, "ef" * 32)


def record(owner: Owner) -> Record:
    pixels = np.random.default_rng(len(owner.key)).integers(0, 256, (16, 16, 3), np.uint8)
    square = images.Square(pixels, 256, image=Image.fromarray(pixels))
    return _prepare.record(PREPARATION, square, **owner._asdict())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of three records."""
    places(tmp_path)
    return tmp_path / "0"


def places(folder: Path) -> list[int]:
    mine = Writer(folder)
    found = [mine.add([owner], [record(owner)])[0] for owner in OWNERS]
    mine.close()
    return found


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    first, second = Writer(tmp_path), Writer(tmp_path)  # two workers
    both = [(first.add([o], [record(o)])[0], second.add([o], [record(o)])[0], o) for o in OWNERS]
    spool = Spool(tmp_path)
    for one, other, owner in both:
        assert one != other
        assert spool.get(one, owner) == spool.taken(other, owner) == record(owner)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
    first.close()
    third = Writer(tmp_path)  # goes on where a worker has ended
    more = third.add([FOURTH], [record(FOURTH)])[0]
    assert spool.get(more, FOURTH) == record(FOURTH)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
    second.close()
    third.close()
    spool.close()


def test_a_worker_has_one_file(tmp_path: Path) -> None:
    assert writer(str(tmp_path)) is writer(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


@pytest.mark.parametrize("more", [-1, 0, 1, 2 * _spool._FIRST_READ])
def test_a_record_of_any_size_comes_back(tmp_path: Path, more: int) -> None:
    small = record(FOURTH)
    mine, spool = Writer(tmp_path), Spool(tmp_path)
    around = (tmp_path / "0").stat().st_size
    mine.add([FOURTH], [dataclasses.replace(small, framed=b"")])
    around = (tmp_path / "0").stat().st_size - around
    large = dataclasses.replace(small, framed=bytes(range(256)) * 1000)
    large = dataclasses.replace(large, framed=large.framed[: _spool._FIRST_READ - around + more])
    (place,) = mine.add([FOURTH], [large])
    mine.add([OWNERS[0]], [small])
    assert spool.get(place, FOURTH) == large
    os.truncate(tmp_path / "0", (place & (1 << 44) - 1) + around + len(large.framed) - 1)
    assert spool.get(place, FOURTH) is None
    mine.close()
    spool.close()


def test_a_record_of_another_picture_or_place_is_none(tmp_path: Path) -> None:
    first, second, _ = places(tmp_path)
    spool = Spool(tmp_path)
    assert spool.get(first, OWNERS[1]) is None
    for change in ({"key": "a"}, {"label": 1}, {"sha256": OWNERS[0].sha256}):
        assert spool.get(second, OWNERS[1]._replace(**change)) is None
    for place in (-1, first + 1, (tmp_path / "0").stat().st_size, 10**12, 1 << 44, 1 << 61):
        assert spool.get(place, OWNERS[0]) is None
    with pytest.raises(IntegrityError, match="reads back other bytes .*; check the disk"):
        spool.taken(first + 1, OWNERS[0])
    spool.close()


def test_a_cut_or_damaged_record_is_none_and_the_others_stay(tmp_path: Path) -> None:
    (first, second, third), path, spool = places(tmp_path), tmp_path / "0", Spool(tmp_path)
    whole = path.read_bytes()
    for damaged in range(second, third, 7):
        data = bytearray(whole)
        data[damaged] ^= 4
        path.write_bytes(data)
        assert spool.get(second, OWNERS[1]) is None
        assert spool.get(first, OWNERS[0]) and spool.get(third, OWNERS[2])
    for size in (third - 1, second + 20, second + 5):
        path.write_bytes(whole[:size])
        assert spool.get(second, OWNERS[1]) is None
        assert spool.get(first, OWNERS[0])
    path.write_bytes(whole[:second] + bytes(third - second))  # what a power cut may leave
    assert spool.get(second, OWNERS[1]) is None
    spool.close()


def test_what_follows_half_a_record_is_whole(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 9)
    mine, spool = Writer(path.parent), Spool(path.parent)
    (place,) = mine.add([OWNERS[2]], [record(OWNERS[2])])
    assert spool.get(place, OWNERS[2]) == record(OWNERS[2])
    mine.close()
    spool.close()


def test_a_disk_that_takes_a_part_at_a_time_gets_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:100]))
    found = places(tmp_path)
    monkeypatch.undo()
    spool = Spool(tmp_path)
    for place, owner in zip(found, OWNERS, strict=True):
        assert spool.get(place, owner) == record(owner)
    spool.close()
