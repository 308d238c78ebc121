"""One pass over the examples of a data set: what the page shows of them, in bounded memory."""

import bisect
import dataclasses
import hashlib
import heapq
import io
from array import array
from pathlib import Path

from PIL import Image

from catdog import cli, schema
from catdog.errors import IntegrityError
from data_tools import _page_originals, _page_records
from data_tools._page_records import Record

# Pixels a side; 128 is shown at about 112, so that lines stay sharp on a dense screen.
THUMBNAIL, SMALL = 128, 64
_QUALITY, _SMALL_QUALITY = 75, 65
_BRIGHTNESS_SIDE = 32  # an eighth of 256, which the JPEG decoder gives at once
EXTREMES_SHOWN = 6
_SAMPLES_IN_ALL = 1000  # 5 MB of the page; for more classes there are fewer of each


@dataclasses.dataclass(frozen=True)
class Shown:
    """A picture on the page, as a small JPEG, with what is said about it."""

    key: str
    class_name: str
    split: str
    jpeg: bytes
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Indexed:
    """What the search knows of an example; `jpeg` is small, and empty for a large data set."""

    key: str
    label: int
    split: str
    shard: int
    record: int
    jpeg: bytes


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much the page holds.

    Attributes:
      samples: pictures of each class and split.
      max_index: examples that can be searched for.
      search_pictures: the search shows pictures when there are no more examples than this.
      seed: decides which pictures are samples, and which can be searched for.
    """

    samples: int
    max_index: int
    search_pictures: int
    seed: int


@dataclasses.dataclass(frozen=True)
class _Measured:
    record: Record
    brightness: float
    original: _page_originals.Original | None


def _extremes(found: _Measured) -> dict[str, tuple[float, str]]:
    """{title: (rank, note)}: an example with the lowest ranks of a title is shown under it."""
    light, size = found.brightness, len(found.record.jpeg)
    ranks = {
        "Darkest": (light, f"brightness {light:.0f}"),
        "Brightest": (-light, f"brightness {light:.0f}"),
        "Least detailed": (size, f"{size / 1000:.1f} kB stored"),
        "Most detailed": (-size, f"{size / 1000:.1f} kB stored"),
    }
    if found.original is not None:
        width, height = found.original.width, found.original.height
        note = f"{width} × {height} px"
        ranks |= {
            "Smallest originals": (width * height, note),
            "Largest originals": (-width * height, note),
            "Widest originals": (-width / height, note),
            "Tallest originals": (-height / width, note),
        }
    return ranks


class _Best:
    """Keeps the pictures of lowest rank; ties go to the smaller key."""

    def __init__(self, places: int, class_names: tuple[str, ...]) -> None:
        self._places = places
        self._class_names = class_names
        self._kept: list[tuple[float, str, Shown]] = []

    def offer(self, rank: float, record: Record, note: str = "") -> None:
        """Takes the picture if it is among the best so far."""
        place = (rank, record.key)
        if len(self._kept) < self._places or place < self._kept[-1][:2]:
            # What is kept is the thumbnail: a stored picture may take 10 MB.
            entry = (*place, shown(record, self._class_names, note))
            bisect.insort(self._kept, entry, key=lambda kept: kept[:2])
            del self._kept[self._places :]

    def shown(self) -> list[Shown]:
        """The pictures, the lowest rank first."""
        return [entry for _, _, entry in self._kept]


def thumbnail(jpeg: bytes, side: int = THUMBNAIL, quality: int = _QUALITY) -> bytes:
    """The stored square at `side` pixels, as a JPEG."""
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
        image.draft("RGB", (side, side))
        small = image.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=quality, optimize=True)
    return stream.getvalue()


def shown(record: Record, class_names: tuple[str, ...], note: str = "") -> Shown:
    """The example as the page shows it."""
    name = class_names[record.label]
    return Shown(record.key, name, record.split, thumbnail(record.jpeg), note)


def _brightness(jpeg: bytes) -> float:
    """The mean gray value, 0..255."""
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
        image.draft("L", (_BRIGHTNESS_SIDE, _BRIGHTNESS_SIDE))
        gray = image.convert("L").tobytes()
    return sum(gray) / len(gray)


def _rank(purpose: str, seed: int, key: str) -> int:
    digest = hashlib.sha256(f"{purpose}:{seed}:".encode() + schema.key_bytes(key)).digest()
    return int.from_bytes(digest[:8], "big")


class Scan:
    """What the page shows of the examples that `add` was given.

    Attributes:
      measures: {title: {split: values}}, one value an example: kB stored and brightness, and of
        those originals that could be read longer side, width / height and kB.
      named: the pictures that were asked for by key.
      samples_each: the most pictures that are kept of a class and split.
    """

    def __init__(
        self,
        manifest: schema.Manifest,
        limits: Limits,
        *,
        wanted: set[str],
        originals: _page_originals.Originals | None,
    ) -> None:
        self._class_names = manifest.class_names
        self._limits, self._wanted, self._originals = limits, wanted, originals
        cells = [
            (split.name, label)
            for split in manifest.splits.values()
            for label, count in enumerate(split.label_counts)
            if count
        ]
        self.samples_each = max(1, min(limits.samples, _SAMPLES_IN_ALL // len(cells)))
        self._samples = {
            cell: _Best(self.samples_each, self._class_names) for cell in cells[:_SAMPLES_IN_ALL]
        }
        self._extremes: dict[str, _Best] = {}
        self._index: list[tuple[int, str, Indexed]] = []
        examples = sum(split.examples for split in manifest.splits.values())
        self._small = examples <= limits.search_pictures
        self.measures: dict[str, dict[str, array[float]]] = {}
        self.named: dict[str, Shown] = {}

    def add(self, record: Record) -> None:
        """Takes note of an example.

        Raises:
          OSError: its picture cannot be decoded.
        """
        original = self._originals.measured(record) if self._originals else None
        found = _Measured(record, _brightness(record.jpeg), original)
        self._measure(found)
        sample = self._samples.get((record.split, record.label))
        if sample is not None:
            sample.offer(_rank("sample", self._limits.seed, record.key), record)
        for title, (rank, note) in _extremes(found).items():
            best = self._extremes.setdefault(title, _Best(EXTREMES_SHOWN, self._class_names))
            best.offer(rank, record, note)
        if record.key in self._wanted:
            self.named[record.key] = shown(record, self._class_names)
        self._enter(record)

    def _measure(self, found: _Measured) -> None:
        values = {"stored": len(found.record.jpeg) / 1000, "brightness": found.brightness}
        if found.original is not None:
            width, height = found.original.width, found.original.height
            values |= {
                "longer side": max(width, height),
                "width / height": width / height,
                "file": found.original.bytes / 1000,
            }
        for name, value in values.items():
            splits = self.measures.setdefault(name, {})
            splits.setdefault(found.record.split, array("f")).append(value)

    def _enter(self, record: Record) -> None:
        """Puts the example into the index, or leaves out the one whose hash is the largest."""
        small = thumbnail(record.jpeg, SMALL, _SMALL_QUALITY) if self._small else b""
        entry = Indexed(record.key, record.label, record.split, record.shard, record.record, small)
        ranked = (-_rank("index", self._limits.seed, record.key), record.key, entry)
        if len(self._index) < self._limits.max_index:
            heapq.heappush(self._index, ranked)
        elif self._limits.max_index:
            heapq.heappushpop(self._index, ranked)

    def samples(self) -> dict[tuple[str, int], list[Shown]]:
        """The sample pictures of each (split, label)."""
        return {cell: best.shown() for cell, best in self._samples.items()}

    def extremes(self) -> dict[str, list[Shown]]:
        """The extreme pictures by title, the most extreme first."""
        return {title: best.shown() for title, best in self._extremes.items()}

    def index(self) -> list[Indexed]:
        """What the search knows, sorted by key."""
        return sorted((entry for _, _, entry in self._index), key=lambda entry: entry.key)


def scan(
    data_dir: Path,
    manifest: schema.Manifest,
    limits: Limits,
    *,
    wanted: set[str],
    originals: _page_originals.Originals | None,
) -> Scan:
    """All examples of the data set, taken note of.

    Args:
      wanted: keys of pictures to keep.
      originals: where the pictures came from, if that is there.

    Raises:
      IntegrityError: a record is damaged; the message names the file and the record.
    """
    found = Scan(manifest, limits, wanted=wanted, originals=originals)
    total = sum(split.examples for split in manifest.splits.values())
    meter = cli.Meter(total, "reading examples")
    for split in manifest.splits.values():
        for record in _page_records.records(data_dir, split, len(manifest.class_names)):
            try:
                found.add(record)
            except (OSError, SyntaxError, ValueError) as error:
                raise IntegrityError(
                    f"{split.shards[record.shard].file}, record {record.record} (from 0), "
                    f"{record.key!r}: {error}; copy the data set again or rebuild it with "
                    "python -m data_tools.build_tfrecords"
                ) from None
            meter.advance()
    meter.close()
    return found
