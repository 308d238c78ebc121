"""What a pipeline met when it failed: the damaged records with their places, as an error to raise.

tf.data says that something is damaged, and often not what. Here the shards are read again, without
TensorFlow, and held against the manifest.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from catdog import cli, files, inspection, schema, shards
from catdog.errors import IntegrityError
from catdog.inspection import Expected, Problem, Row
from catdog.shards import Place

TABLE = "splits.csv"

# What TensorFlow raises for records that are damaged, missing or no pictures, by name: nothing here
# imports it. UnknownError is what an exception in a generator becomes.
_READ_ERRORS = (
    "DataLossError",
    "FailedPreconditionError",
    "InvalidArgumentError",
    "NotFoundError",
    "OutOfRangeError",
    "UnknownError",
)

Rows = dict[str, tuple[Row, ...]]


def _rows(text: str, manifest: schema.Manifest) -> Rows:
    """The rows of splits.csv by the name of their shard."""
    found: dict[str, list[Row]] = {}
    for row in csv.DictReader(io.StringIO(text, newline="")):
        shard = manifest.splits[row["split"]].shards[int(row["shard"])]
        found.setdefault(shard.file, []).append(
            Row(files.from_csv_cell(row["key"]), row["sha256"], int(row["label"]))
        )
    return {file: tuple(rows) for file, rows in found.items()}


def read_rows(data_dir: Path, manifest: schema.Manifest) -> Rows:
    """What splits.csv says of the records, by shard file; nothing for a data set without one.

    Raises:
      ValueError: it is missing, or not the file that the manifest describes.
    """
    if TABLE not in manifest.files:
        return {}
    try:
        data = (data_dir / TABLE).read_bytes()
        if hashlib.sha256(data).hexdigest() != manifest.files[TABLE]:
            raise ValueError("its sha256 is not the one in the manifest")
        return _rows(data.decode(), manifest)
    except OSError as error:
        raise ValueError(inspection.in_words(error)) from None
    except (KeyError, IndexError, TypeError, csv.Error) as error:
        raise ValueError(f"it does not fit the manifest ({type(error).__name__})") from None


def expectations(split: schema.Split, manifest: schema.Manifest, rows: Rows) -> list[Expected]:
    """What each shard of the split should hold."""
    return [
        Expected(shard, manifest.class_names, manifest.image_size, rows.get(shard.file))
        for shard in split.shards
    ]


def _expected(data_dir: Path, manifest: schema.Manifest, split_name: str) -> list[Expected]:
    try:
        rows = read_rows(data_dir, manifest)
    except ValueError:  # the keys are in the records, too
        rows = {}
    return expectations(manifest.split(split_name), manifest, rows)


def first_damage(data_dir: Path, manifest: schema.Manifest, split_name: str) -> Problem | None:
    """The first thing that is wrong with the records of a split, or None.

    Frames and sha256 of all shards come before the contents of any: they are read in a fraction of
    the time that decoding takes.
    """
    expected = _expected(data_dir, manifest, split_name)
    for shard in expected:
        quick = inspection.examine(data_dir, shard, contents=False).problems
        if quick:
            return [*inspection.examine(data_dir, shard).problems, *quick][0]
    for shard in expected:
        found = inspection.examine(data_dir, shard).problems
        if found:
            return found[0]
    return None


def bad_records(
    data_dir: Path, manifest: schema.Manifest, split_name: str, examples: Iterable[int]
) -> list[Problem]:
    """Where the examples of these numbers are, and why they could not be used.

    Raises:
      IndexError: the split has no such example.
    """
    split = manifest.split(split_name)
    by_file = {shard.shard.file: shard for shard in _expected(data_dir, manifest, split_name)}
    found = []
    for example in examples:
        place = shards.address(data_dir, split, example)
        expected = by_file[place.file]
        number = place.record or 0
        place = Place(place.file, number, place.offset, place.key or expected.key(number))
        try:
            record = shards.record_at(data_dir / place.file, number)
        except OSError:
            record = None
        faults = inspection.record_faults(record.payload, expected) if record else []
        reason = faults[0] if faults else "TensorFlow could not decode it"
        found.append(Problem(place, reason))
    return found


def error_of(problems: Sequence[Problem], data_dir: Path) -> IntegrityError:
    """The error that names the first of the problems, of which there is one at least."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return IntegrityError(
        f"damaged records in {data_dir}: {problems[0]}{more}; copy the file again, or delete it "
        "and run the same build again; python -m data_tools.verify_tfrecords "
        f"--data_dir={data_dir} lists all damage"
    )


def explained(
    error: BaseException, data_dir: Path, manifest: schema.Manifest, split_name: str
) -> IntegrityError | None:
    """The error with the place of the damage that made it, or None where the records are sound.

    Args:
      error: what came out of a pipeline that reads this split, or out of a check of its results.
      data_dir: folder of the data set.
      manifest: its manifest.
      split_name: what was read.
    """
    if not isinstance(error, IntegrityError) and type(error).__name__ not in _READ_ERRORS:
        return None
    cli.say("a record could not be read; looking for it in all shards")
    problem = first_damage(data_dir, manifest, split_name)
    return None if problem is None else error_of([problem], data_dir)
