"""Pass 1 reads and decodes once; a picture that ends the process which decodes is rejected."""

import csv
import dataclasses
import hashlib
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catdog import images
from catdog.errors import InputError
from data_tools import _scan, _similar, build_tfrecords
from data_tools._found import Memory, Picture, Pictures, Scan
from data_tools._limits import Limits
from data_tools._prepare import Preparation
from data_tools._scan import Reading, scanned
from data_tools._spool import Owner, Spool
from data_tools._workers import Workers, workers
from data_tools.config import BuildConfig
from data_tools.sources import Item, Source, open_source

# A process that may have so much more decodes all of the pictures but the large one: 49 MB.
LIMITS = Limits(more_bytes=24 * 2**20)
LARGE = "dog.7.jpg"
REASON = "takes more memory than a picture may have"

PREPARATION = Preparation(
    class_names=("cat", "dog"), image_size=32, resize="squash", jpeg_quality=90,
    max_pixels=50_000_000,
)  # fmt: skip
READING = Reading(PREPARATION)


class Notes(Memory):
    """Remembers, and keeps what it is given to remember at a time."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str, Scan]] = []
        self.new: list[tuple[str, str, Scan]] = []

    def scans(self) -> Iterator[tuple[str, str, Scan]]:
        return iter(self.noted)

    def remember(self, scans: list[tuple[str, str, Scan]]) -> None:
        self.new += scans

    def settle(self) -> None:
        self.noted, self.new = self.noted + self.new, []


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of 12 pictures, an empty one, one that is none, one that cannot be read, a large one.

    The members of a zip have stamps from the first moment on.
    """
    folder = tmp_path_factory.mktemp("scan")
    rng = np.random.default_rng(0)
    path = folder / "train.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for number in range(16):
            key = f"{('cat', 'dog')[number % 2]}.{number}.jpg"
            picture = folder / key
            side = 3500 if key == LARGE else 40 + number
            pixels = rng.integers(0, 256, (side, side, 3), np.uint8)
            image = Image.fromarray(pixels if side < 100 else np.zeros_like(pixels))
            image.save(picture, "PNG", compress_level=1)
            data = {3: b"", 5: b"no picture"}.get(number, picture.read_bytes())
            packed.writestr(key, data)
        damaged = packed.getinfo("dog.9.jpg").header_offset
    with path.open("r+b") as file:
        file.seek(damaged + 200)
        file.write(b"damage")
    return path


@pytest.fixture
def source(archive: Path) -> Iterator[Source]:
    found = open_source(str(archive), layout="kaggle")
    yield found
    found.close()


@pytest.fixture
def items(source: Source) -> list[Item]:
    return list(source.scan().items)


@pytest.fixture
def pool(source: Source) -> Iterator[Workers]:
    with workers(source, 2, LIMITS) as made:
        yield made


def same(one: _similar.Prints, other: _similar.Prints) -> bool:
    fields = [field.name for field in dataclasses.fields(_similar.Prints)]
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in fields)


def test_each_picture_has_its_print_at_its_place_and_the_others_their_reasons(
    source: Source, items: list[Item], pool: Workers
) -> None:
    pictures, rejects, prints = scanned(items, pool, Memory(), READING)
    wanted = {
        "dog.3.jpg": "empty file",
        "dog.5.jpg": "not a JPEG, PNG,",
        LARGE: REASON,
        "dog.9.jpg": "cannot be read: damaged",
    }
    assert [reject.key for reject in rejects] == sorted(wanted)
    for reject in rejects:
        assert reject.reason.startswith(wanted[reject.key])
    digests = {reject.key: reject.sha256 for reject in rejects}
    assert digests["dog.9.jpg"] == ""
    (large,) = (item for item in items if item.key == LARGE)
    assert digests[LARGE] == hashlib.sha256(source.read(large.locator)).hexdigest()
    assert prints is not None
    left = [item for item in items if item.key not in wanted]
    assert [picture.key for picture in pictures] == [item.key for item in left]
    squares = [
        images.to_square(source.read(item.locator), image_size=32, small=16) for item in left
    ]
    looks = _similar.prints([_similar.look(square) for square in squares])
    assert same(prints.take(range(len(left))), looks)


def test_records_are_kept_where_they_are_asked_for(
    source: Source, items: list[Item], pool: Workers, tmp_path: Path
) -> None:
    notes = Notes()
    reading = Reading(PREPARATION, looks=False, records=str(tmp_path))
    pictures, _, prints = scanned(items, pool, notes, reading)
    assert prints is None and len(pictures) == 12
    assert {path.name for path in tmp_path.iterdir()} <= {"0", "1"}
    spool = Spool(tmp_path)
    for picture in pictures:
        record = spool.taken(picture.kept, Owner(picture.key, picture.label, picture.sha256))
        data = source.read(picture.locator)
        assert images.to_record(data, image_size=32, jpeg_quality=90).jpeg in record.framed
        assert record.sums.pixels == 32 * 32
    spool.close()
    kept = [picture.kept for picture in pictures]
    assert [scan.kept for _, _, scan in notes.new if not scan.reason] == kept
    pictures, _, _ = scanned(items, pool, Notes(), READING)
    assert {picture.kept for picture in pictures} == {-1}


def test_it_does_not_matter_how_many_records_are_made_at_a_time(
    source: Source, items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = [item for item in items if item.key != LARGE]
    results = []
    for together in (0, 2 * 32 * 32 * 3, 2**20):
        monkeypatch.setattr(_scan, "_TOGETHER", together)
        folder = tmp_path / str(together)
        folder.mkdir()
        found = list(Reading(PREPARATION, records=str(folder)).each(source, small))
        assert [each.kept < 0 for each in found] == [bool(each.reason) for each in found]
        results.append((found, (folder / "0").read_bytes()))
    assert results[0] == results[1] == results[2]
    assert 0 < sum(bool(each.reason) for each in results[0][0]) < len(small)


def test_rejects_stop_the_scan_when_there_are_more_than_allowed(
    items: list[Item], pool: Workers
) -> None:
    scanned(items, pool, Notes(), READING, max_rejects=4)
    with pytest.raises(InputError, match=f"--max_rejects=3 pictures are rejected, '{LARGE}'"):
        scanned(items, pool, Notes(), READING, max_rejects=3)
    notes = Notes()
    with pytest.raises(InputError, match=r"--max_rejects=0 .*, 'dog\.3\.jpg' for instance: empty"):
        scanned(items, pool, notes, READING, max_rejects=0)


def test_what_was_found_before_is_neither_read_nor_looked_at_again(
    items: list[Item], pool: Workers
) -> None:
    notes = Notes()
    pictures, rejects, prints = scanned(items, pool, notes, READING)
    assert prints is not None
    notes.settle()
    again = scanned(items, pool, notes, READING)
    assert ([*again[0]], again[1]) == ([*pictures], rejects)
    assert again[2] is not None and same(again[2], prints)
    # What the next try may read is tried; what ends its process is not.
    assert [key for key, _, _ in notes.new] == ["dog.9.jpg"]
    # Half of the notes: those kept and those found anew make the same.
    notes.noted = notes.noted[::2]
    half = scanned(items, pool, notes, READING)
    assert ([*half[0]], half[1]) == ([*pictures], rejects)
    assert half[2] is not None and same(half[2], prints)


def test_a_note_whose_stamp_is_another_does_not_count(items: list[Item], pool: Workers) -> None:
    notes = Notes()
    first = scanned(items, pool, notes, READING)
    stale = [(key, "another", Scan("0" * 64)) for key, _, _ in notes.new]
    notes.noted, notes.new = notes.new + stale, []
    again = scanned(items, pool, notes, READING)
    assert len(notes.new) == len(items)
    assert ([*again[0]], again[1]) == ([*first[0]], first[1])


def test_a_picture_that_cannot_even_be_read_is_lost_once(
    items: list[Item], pool: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def map_to_nothing(self: Workers, task: object, tasks: list[Item], *, lost: object) -> object:
        return iter([_scan._Lost(item, "ends the decoder (Killed)") for item in tasks])

    monkeypatch.setattr(Workers, "map", map_to_nothing)
    lost = [_scan._Lost(items[0], "ends the decoder (Aborted)")]
    (key, stamp, scan), *more = _scan._blamed(lost, pool)
    assert (key, stamp, more) == (items[0].key, "", [])
    assert scan == Scan("", "cannot be read: ends the decoder (Killed)")


@pytest.mark.faults
def test_lost_in_the_look_is_rejected_as_lost_in_pass_2_with_any_number_of_processes(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limits, "of", classmethod(lambda cls, image_size: LIMITS))
    tables = {}
    for policy, count in (("group", 1), ("group", 3), ("allow", 2)):
        output = tmp_path / f"{policy}{count}"
        config = BuildConfig(
            source=str(archive),
            output_dir=str(output),
            image_size=16,
            splits=("train=1.0",),
            duplicates=policy,
            workers=count,
        )
        build_tfrecords.main(config)
        tables[output.name] = {path.name: path.read_bytes() for path in output.iterdir()}
    assert tables["group1"] == tables["group3"]
    assert tables["group1"]["rejects.csv"] == tables["allow2"]["rejects.csv"]
    assert tables["group1"]["splits.csv"] == tables["allow2"]["splits.csv"]
    with (tmp_path / "group1" / "rejects.csv").open(newline="") as file:
        rows = {row["key"]: row for row in csv.DictReader(file)}
    assert rows[LARGE]["reason"] == REASON
    assert len(rows[LARGE]["sha256"]) == 64


def test_pictures_are_a_sequence_of_the_items_that_were_added() -> None:
    items = [Item(f"{name}.jpg", label, f"at {name}") for label, name in enumerate("abcde")]
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in "bde"]
    pictures = Pictures(items)
    for place, digest in zip((1, 3, 4), digests, strict=True):
        pictures.add(place, digest)
    oracle = [
        Picture(items[place].key, items[place].label, digest, locator=items[place].locator)
        for place, digest in zip((1, 3, 4), digests, strict=True)
    ]
    assert len(pictures) == 3 and [*pictures] == oracle
    assert (pictures[-1], pictures[1:], pictures[::-1]) == (oracle[-1], oracle[1:], oracle[::-1])
    with pytest.raises(IndexError):
        pictures[3]


def test_a_picture_takes_a_fifth_of_itself_while_copies_are_looked_for() -> None:
    count = 2000
    items = [Item(f"{number}.jpg", 0, f"{number}.jpg") for number in range(count)]
    tracemalloc.start()
    try:
        pictures = Pictures(items)
        for place in range(count):
            pictures.add(place, f"{place:064x}")
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(pictures) == count and kept / count < 60
