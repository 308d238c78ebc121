"""What is wrong with a shard, each problem with its file, record, offset and key.

A shard is held against the manifest and splits.csv. No TensorFlow: the offline check of a data set
and a training that met a damaged record ask the same questions.
"""

import dataclasses
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image, ImageFile

from catdog import schema
from catdog.shards import Flaw, HashedFile, Place, frames, key_of


@dataclasses.dataclass(frozen=True)
class Problem:
    """A place and what is wrong there."""

    place: Place
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


@dataclasses.dataclass(frozen=True)
class Row:
    """What splits.csv says of a record."""

    key: str
    sha256: str
    label: int


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a shard should hold.

    Attributes:
      shard: its entry in the manifest.
      class_names: by label.
      image_size: side of the stored pictures.
      rows: of its records, in order; None where no sound splits.csv tells.
    """

    shard: schema.Shard
    class_names: tuple[str, ...]
    image_size: int
    rows: tuple[Row, ...] | None = None

    def key(self, number: int) -> str:
        """The key that is due at this record, empty where that is not known."""
        return self.rows[number].key if self.rows and number < len(self.rows) else ""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A record that could be parsed: where it is (with its key), its label, its source's sha256."""

    place: Place
    label: int
    sha256: str


@dataclasses.dataclass
class Found:
    """What a shard holds.

    Attributes:
      problems: what is wrong with it.
      entries: the records that could be parsed, in order.
      records: how many frames there are, damaged ones included.
      channel_sums: of the pixels of all pictures that could be decoded.
      pictures: how many those are.
    """

    problems: list[Problem] = dataclasses.field(default_factory=list)
    entries: list[Entry] = dataclasses.field(default_factory=list)
    records: int = 0
    channel_sums: list[int] = dataclasses.field(default_factory=lambda: [0, 0, 0])
    pictures: int = 0


def in_words(error: Exception) -> str:
    """What the error says, on one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def _opened(encoded: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(encoded), formats=("JPEG",))
    except MemoryError:
        raise
    except Exception:  # Pillow's readers raise almost anything on damaged bytes
        raise ValueError("its picture is no JPEG") from None


def _decoded(image: Image.Image) -> None:
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise ValueError(f"its picture is a damaged JPEG ({in_words(error)})") from None


def picture(encoded: bytes, image_size: int) -> Image.Image:
    """The stored picture, decoded to its end.

    Raises:
      ValueError: it is no sound RGB JPEG of `image_size` × `image_size` pixels; it says why.
    """
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # another library may have set it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _opened(encoded)
        if image.size != (image_size, image_size) or image.mode != "RGB":
            raise ValueError(
                f"its picture is {image.width} x {image.height} {image.mode}, "
                f"{image_size} x {image_size} RGB is due"
            )
        _decoded(image)
    if not encoded.endswith(schema.JPEG_END):
        raise ValueError("its picture is a damaged JPEG (something follows its end)")
    return image


def _disagreements(example: schema.Example, expected: Expected) -> Iterator[str]:
    """What an example says that the manifest does not allow."""
    names, size = expected.class_names, expected.image_size
    if not 0 <= example.label < len(names):
        yield f"its label {example.label} is none of the {len(names)} classes"
    elif example.text != names[example.label]:
        yield f"its class is {example.text!r}, label {example.label} is {names[example.label]!r}"
    if (example.height, example.width) != (size, size):
        yield f"it says {example.height} x {example.width} pixels, {size} x {size} are due"
    if example.format != "jpeg":
        yield f"its format is {example.format!r}, 'jpeg' is due"


def record_faults(payload: bytes, expected: Expected) -> list[str]:
    """What is wrong with the content of one record whose frame is sound."""
    try:
        example = schema.deserialize(payload)
    except ValueError as error:
        return [str(error)]
    faults = list(_disagreements(example, expected))
    try:
        picture(example.encoded, expected.image_size)
    except ValueError as error:
        faults.append(str(error))
    return faults


def _read_record(place: Place, payload: bytes, expected: Expected, found: Found) -> None:
    """Adds what the record holds to `found`."""
    try:
        example = schema.deserialize(payload)
    except ValueError as error:
        found.problems.append(Problem(place, str(error)))
        return
    place = dataclasses.replace(place, key=example.filename)
    found.entries.append(Entry(place, example.label, example.sha256))
    for fault in _disagreements(example, expected):
        found.problems.append(Problem(place, fault))
    try:
        histogram = picture(example.encoded, expected.image_size).histogram()
    except ValueError as error:
        found.problems.append(Problem(place, str(error)))
        return
    found.pictures += 1
    for channel in range(3):
        counts = histogram[256 * channel : 256 * channel + 256]
        found.channel_sums[channel] += sum(value * count for value, count in enumerate(counts))


def _repeats(entries: list[Entry]) -> Iterator[Problem]:
    first: dict[str, Entry] = {}
    for entry in entries:
        before = first.setdefault(entry.place.key, entry)
        if before is not entry:
            yield Problem(entry.place, f"it has the key of record {before.place.record}")


def _misplaced(entries: list[Entry], rows: tuple[Row, ...], unread: int) -> Iterator[Problem]:
    """Records that splits.csv has elsewhere or not at all, and those that it has in vain.

    Args:
      entries: those that could be parsed; a second one of a key is passed over.
      rows: what is due.
      unread: records that are there and could not be parsed.
    """
    due = {row.key: number for number, row in enumerate(rows)}
    there: dict[int, Entry] = {}
    for entry in entries:
        number = due.get(entry.place.key)
        if number is None:
            yield Problem(entry.place, "its key is none of this shard's")
        elif number not in there:
            there[number] = entry
            if (entry.sha256, entry.label) != (rows[number].sha256, rows[number].label):
                yield Problem(entry.place, "its label or sha256 is not what splits.csv says")
    for number, (came, entry) in zip(sorted(there), there.items(), strict=True):
        if number != came:
            yield Problem(entry.place, f"it comes where {rows[number].key!r} should")
    missing = [number for number in range(len(rows)) if number not in there]
    if entries and len(missing) > unread:
        place = Place(entries[0].place.file, missing[0], key=rows[missing[0]].key)
        yield Problem(place, f"it is due and missing, one of {len(missing) - unread}")


def _frames_of(
    file: HashedFile, expected: Expected, read: Callable[[Place, bytes], None], found: Found
) -> bool:
    """Whether every frame was found; each sound one goes to `read`."""
    name = expected.shard.file
    for frame in frames(file, expected.shard.examples):
        key = expected.key(frame.number)
        if isinstance(frame, Flaw):
            key = key_of(frame.payload) or key
            found.problems.append(
                Problem(Place(name, frame.number, frame.offset, key), frame.reason)
            )
            if frame.is_end:
                return False
        else:
            read(Place(name, frame.number, frame.offset, key), frame.payload)
        found.records += 1
    return True


def _totals(file: HashedFile, expected: Expected, found: Found) -> Iterator[Problem]:
    """What is wrong with the shard as a whole where each of its records is sound."""
    shard = expected.shard
    if found.records != shard.examples:
        first = min(found.records, shard.examples)
        place = Place(shard.file, first, key=expected.key(first))
        yield Problem(place, f"the file has {found.records} records, {shard.examples} are due")
    elif file.sha256() != shard.sha256:
        reason = "each record is sound, and the file is not the one that its manifest describes"
        yield Problem(Place(shard.file), f"{reason}: its sha256 differs")


def examine(data_dir: Path, expected: Expected, *, contents: bool = True) -> Found:
    """What the shard holds and what is wrong with it.

    Args:
      data_dir: folder of the data set.
      expected: what the shard should be.
      contents: parse the records and decode their pictures too; else frames and sha256 alone are
        checked.
    """
    found = Found()

    def read(place: Place, payload: bytes) -> None:
        if contents:
            _read_record(place, payload, expected, found)

    try:
        with (data_dir / expected.shard.file).open("rb") as opened:
            file = HashedFile(opened)
            whole = _frames_of(file, expected, read, found)
            found.problems += _repeats(found.entries)
            if contents and whole and expected.rows is not None:
                unread = found.records - len(found.entries)
                found.problems += _misplaced(found.entries, expected.rows, unread)
            if not found.problems:
                found.problems += _totals(file, expected, found)
    except FileNotFoundError:
        found.problems.append(Problem(Place(expected.shard.file), "the file is missing"))
    except OSError as error:
        reason = f"the file cannot be read: {in_words(error)}"
        found.problems.append(Problem(Place(expected.shard.file), reason))
    return found
