"""A shard is the frames of its pictures in order, with exact sums, whole or absent."""

import dataclasses
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog import images, schema
from catdog.errors import InputError, IntegrityError
from data_tools import _prepare, writer
from data_tools._found import Picture
from data_tools.sources import Source, open_source


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


FILES = {
    "cat.0.jpg": png(0),
    "dog.0.jpg": png(2),
    "dog.1.jpg": png(3),
}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return open_source(str(folder), layout="kaggle")


PREPARATION = _prepare.Preparation(
    class_names=("cat", "dog"), image_size=16, resize="squash", jpeg_quality=90, max_pixels=1000
)


def task(source: Source, path: Path) -> writer.ShardTask:
    pictures = tuple(
        Picture(
            item.key, item.label, hashlib.sha256(FILES[item.key]).hexdigest(), locator=item.locator
        )
        for item in reversed(source.scan().items)
    )
    return writer.ShardTask(path, pictures)


def write(source: Source, made: writer.ShardTask) -> writer.WrittenShard:
    records = (writer.prepare(PREPARATION, source, picture) for picture in made.pictures)
    shard = writer.write_shard(made.path, len(made.pictures), records)
    return writer.WrittenShard(shard, made.pictures)


@pytest.mark.parametrize("at_once", [1, 2000, 1_000_000])  # a record has about a thousand
def test_a_shard_is_its_frames_in_order(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(writer, "_AT_ONCE", at_once)
    path = tmp_path / "shard"
    written = write(source, task(source, path))
    frames = b""
    for key, label in (("dog.1.jpg", 1), ("dog.0.jpg", 1), ("cat.0.jpg", 0)):
        prepared = images.to_record(FILES[key], image_size=16, jpeg_quality=90)
        example = schema.Example(
            encoded=prepared.jpeg,
            height=16,
            width=16,
            label=label,
            text=("cat", "dog")[label],
            filename=key,
            sha256=hashlib.sha256(FILES[key]).hexdigest(),
        )
        frames += schema.frame(schema.serialize(example))
    assert path.read_bytes() == frames
    shard = written.shard
    assert (shard.file, shard.examples, shard.bytes) == ("shard", 3, len(frames))
    assert shard.sha256 == hashlib.sha256(frames).hexdigest()
    assert [picture.key for picture in written.pictures] == ["dog.1.jpg", "dog.0.jpg", "cat.0.jpg"]
    assert written.label_counts() == {1: 2, 0: 1}


def test_the_sums_of_a_shard_are_those_of_its_resized_pixels(
    source: Source, tmp_path: Path
) -> None:
    written = write(source, task(source, tmp_path / "shard"))
    kept = [images.to_record(FILES[p.key], image_size=16).pixels for p in written.pictures]
    pixels = np.concatenate(kept).reshape(-1, 3).astype(object)  # Python's whole numbers
    sums = written.shard.sums
    assert sums.pixels == 3 * 16 * 16
    assert sums.sum == tuple(pixels.sum(axis=0))
    assert np.array_equal(np.array(sums.products), pixels.T @ pixels)
    assert all(type(value) is int for row in sums.products for value in row)


def test_sums_are_exact_where_float32_is_not() -> None:
    pixels = np.full((1000, 1001, 3), 255, np.uint8)
    sums = _prepare.pixel_sums(pixels)
    assert sums.products[0][1] == 1000 * 1001 * 255 * 255
    assert sums.sum == (1000 * 1001 * 255,) * 3


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (100, 37), (256, 256), (1000, 1051)])
@pytest.mark.parametrize(("least", "most"), [(0, 0), (0, 255), (200, 255), (255, 255)])
def test_sums_are_those_of_whole_numbers(shape: tuple[int, int], least: int, most: int) -> None:
    pixels = np.random.default_rng(0).integers(least, most + 1, (*shape, 3), np.uint8)
    flat = pixels.reshape(-1, 3).astype(np.int64)
    sums = _prepare.pixel_sums(pixels)
    assert sums.pixels == len(flat)
    assert np.array_equal(sums.sum, flat.sum(axis=0))
    assert np.array_equal(sums.products, flat.T @ flat)


def test_a_source_that_changes_meanwhile_stops_the_build(source: Source, tmp_path: Path) -> None:
    made = task(source, tmp_path / "shard")
    (tmp_path / "pictures" / "cat.0.jpg").write_bytes(png(9))
    with pytest.raises(InputError, match=r"'cat.0.jpg' changed during the build; run again"):
        write(source, made)
    (tmp_path / "pictures" / "cat.0.jpg").unlink()
    with pytest.raises(InputError, match="a moment ago and now cannot be read: No such file"):
        write(source, made)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


def test_a_picture_that_can_be_decoded_no_more_stops_the_build(
    source: Source, tmp_path: Path
) -> None:
    made = task(source, tmp_path / "shard")
    tight = dataclasses.replace(PREPARATION, max_pixels=10)
    with pytest.raises(InputError, match=r"'dog.1.jpg' could be decoded a moment ago and now 30 x"):
        writer.prepare(tight, source, made.pictures[0])
    with pytest.raises(InputError, match=r"'dog.1.jpg' .* and now ends the decoder .*; run again"):
        writer.lost(made.pictures[0], "ends the decoder (Killed)")


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the moment is told by this call")
@pytest.mark.parametrize("change", ["a flipped bit", "a byte less", "a byte more", "two swapped"])
def test_a_disk_that_gives_other_bytes_back_is_no_shard(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    made = task(source, tmp_path / "shard")
    changes = {
        "a flipped bit": lambda data: data[:900] + bytes([data[900] ^ 16]) + data[901:],
        "a byte less": lambda data: data[:-1],
        "a byte more": lambda data: data + b"\0",
        "two swapped": lambda data: data[:900] + data[901:902] + data[900:901] + data[902:],
    }

    def fadvise(file: int, start: int, length: int, advice: int) -> None:
        if length:  # a part that is on its way to the disk; without a length all of it is there
            return
        partial = tmp_path / ".shard.partial"
        data = partial.read_bytes()
        assert data[900] != data[901]
        partial.write_bytes(changes[change](data))

    monkeypatch.setattr(os, "posix_fadvise", fadvise)
    with pytest.raises(IntegrityError, match="reads back other bytes than were written"):
        write(source, made)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
