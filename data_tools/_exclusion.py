"""What other built data sets hold already, so that a new one can leave it out."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from catdog import schema
from catdog.errors import InputError, IntegrityError
from data_tools import _tables
from data_tools.splits import Candidate

Picture = TypeVar("Picture", bound=Candidate)


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
        if _tables.SPLITS not in manifest.files:
            raise IntegrityError(
                f"{folder} has a manifest that does not list {_tables.SPLITS}; copy the data set "
                "again or rebuild it with python -m data_tools.build_tfrecords"
            )
        _tables.check(folder, manifest, _tables.SPLITS)
        for row in _tables.rows(folder, _tables.SPLITS):
            twin = Twin(name, row["key"], row["split"])
            twins.setdefault(row["sha256"], twin)
    return Others(tuple(fingerprints), twins)


def without_twins(
    pictures: Sequence[Picture], others: Others, class_names: Sequence[str]
) -> tuple[Sequence[Picture], tuple[Excluded, ...]]:
    """The pictures that no other data set has, and those that one has.

    Raises:
      InputError: nothing is left of some class.
    """
    if not others.twins:
        return pictures, ()
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
