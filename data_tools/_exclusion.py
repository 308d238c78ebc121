"""What other built data sets hold already, so that a new one can leave it out."""

import csv
import dataclasses
import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

from catdog import schema
from catdog.errors import InputError, IntegrityError
from data_tools.splits import Candidate

_TABLE = "splits.csv"


@dataclasses.dataclass(frozen=True)
class Twin:
    """Where another data set holds a picture: the set's folder name, its key there, its split."""

    data_set: str
    key: str
    split: str


@dataclasses.dataclass(frozen=True)
class Excluded:
    """A picture that is not stored because another data set has it; its sha256 is in hex."""

    key: str
    sha256: str
    twin: Twin


@dataclasses.dataclass(frozen=True)
class Others:
    """What other data sets hold.

    Attributes:
      fingerprints: of the data sets, in the order they were given.
      twins: where a picture is, by its sha256 (hex); the first place of several.
    """

    fingerprints: tuple[str, ...]
    twins: dict[str, Twin]


NO_OTHERS = Others((), {})


def _table(folder: Path, manifest: schema.Manifest) -> list[dict[str, str]]:
    """The rows of the data set's splits.csv, one a record.

    Raises:
      IntegrityError: it is missing, or not what its manifest says.
    """
    path = folder / _TABLE
    way_out = "copy the data set again or rebuild it with python -m data_tools.build_tfrecords"
    try:
        data = path.read_bytes()
        rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    except (OSError, ValueError, csv.Error) as error:
        raise IntegrityError(f"{path} cannot be read ({error}); {way_out}") from None
    records = sum(split.examples for split in manifest.splits.values())
    if len(rows) != records or hashlib.sha256(data).hexdigest() != manifest.files.get(_TABLE):
        raise IntegrityError(
            f"{path} is not the file that its manifest describes ({len(rows)} rows, {records} "
            f"records); {way_out}"
        )
    return rows


def as_written(cell: str) -> str:
    """The text that `files.csv_text` made the cell of: it put a ' before what looks risky."""
    return cell[1:] if cell[:1] == "'" else cell


def read(data_dirs: Sequence[str]) -> Others:
    """What the data sets in these folders hold, by their splits.csv.

    Raises:
      InputError: a folder holds no finished data set.
      IntegrityError: its manifest or its splits.csv is damaged.
      MismatchError: a newer version of catdog wrote it.
    """
    fingerprints = []
    twins: dict[str, Twin] = {}
    for data_dir in data_dirs:
        folder = Path(os.path.expanduser(data_dir))
        manifest = schema.read_manifest(folder)
        fingerprints.append(manifest.fingerprint)
        name = os.path.basename(os.path.abspath(folder))
        for row in _table(folder, manifest):
            twin = Twin(name, as_written(row["key"]), row["split"])
            twins.setdefault(row["sha256"], twin)
    return Others(tuple(fingerprints), twins)


def without_twins(
    pictures: Sequence[Candidate], others: Others, class_names: Sequence[str]
) -> tuple[list[Candidate], tuple[Excluded, ...]]:
    """The pictures that no other data set has, and those that one has.

    Raises:
      InputError: nothing is left of some class.
    """
    left = [picture for picture in pictures if picture.sha256 not in others.twins]
    excluded = tuple(
        Excluded(picture.key, picture.sha256, others.twins[picture.sha256])
        for picture in pictures
        if picture.sha256 in others.twins
    )
    present = {picture.label for picture in left}
    for label, name in enumerate(class_names):
        if excluded and label not in present:
            raise InputError(
                f"--exclude_duplicates_of leaves no picture of the class {name!r}: "
                f"{len(excluded)} of {len(pictures)} pictures are in another data set already, "
                f"{excluded[0].key!r} in {excluded[0].twin.data_set!r} for instance; give a "
                "source with other pictures, or leave the flag out"
            )
    return left, excluded
