"""The CSV tables of a built data set, read back a row at a time."""

import csv
import dataclasses
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from catdog import files, schema
from catdog.errors import InputError, IntegrityError

SPLITS, REJECTS, EXCLUDED = "splits.csv", "rejects.csv", "excluded.csv"
DUPLICATES = "duplicates.csv"

_TRUE = ("1", "true", "yes")
_BLOCK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Member:
    """A picture of a group.

    Attributes:
      key: of the picture.
      split: empty when it is not stored.
      fate: why it is not stored, if the table says so: dropped, rejected, left out.
      class_name: as it is labelled.
      kind: how it is like the first of the group: exact, near, mirrored.
      distance: to the first one; empty for none.
    """

    key: str
    split: str
    fate: str
    class_name: str
    kind: str
    distance: str


@dataclasses.dataclass(frozen=True)
class Group:
    """Pictures that are copies of each other; `conflict`: they do not have the same label."""

    members: tuple[Member, ...]
    conflict: bool

    @property
    def splits(self) -> set[str]:
        """The splits that hold a member."""
        return {member.split for member in self.members if member.split}


def rows(data_dir: Path, name: str) -> Iterator[dict[str, str]]:
    """The rows of the table; none when the data set has no such table.

    Raises:
      IntegrityError: it is no CSV text.
    """
    path = data_dir / name
    if not path.is_file():
        return
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield {
                    column: files.from_csv_cell(cell or "")
                    for column, cell in row.items()
                    if column
                }
    except (ValueError, csv.Error) as error:
        raise IntegrityError(
            f"{path} cannot be read ({error}); copy the data set again or rebuild it with "
            "python -m data_tools.build_tfrecords"
        ) from None


def check(data_dir: Path, manifest: schema.Manifest, *names: str) -> None:
    """Nothing, when each of the tables that the manifest lists is what the manifest says.

    Raises:
      InputError: one is neither listed nor there.
      IntegrityError: one is missing or has other bytes.
    """
    for name in names:
        path = data_dir / name
        if name not in manifest.files and not path.is_file():
            raise InputError(
                f"{data_dir} has no {name}, which tells its pictures apart; rebuild it with "
                "python -m data_tools.build_tfrecords"
            )
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
        except FileNotFoundError:
            digest.update(b"missing")
        if name in manifest.files and digest.hexdigest() != manifest.files[name]:
            raise IntegrityError(
                f"{path} is not the file that its manifest describes; copy the data set again or "
                "rebuild it with python -m data_tools.build_tfrecords"
            )


def reason_counts(reasons: Iterable[str]) -> Counter[str]:
    """How often each reason is given; reasons that differ in numbers alone count as one."""
    return Counter(re.sub(r"\d+", "N", reason) for reason in reasons)


def _class_name(label: str, class_names: tuple[str, ...]) -> str:
    known = label.isdecimal() and int(label) < len(class_names)
    return class_names[int(label)] if known else label


def _distance(cell: str) -> str:
    return "" if not cell.strip("0.") else cell


def _listed_groups(data_dir: Path, class_names: tuple[str, ...]) -> list[Group]:
    members: dict[str, list[Member]] = defaultdict(list)
    conflicts: dict[str, bool] = defaultdict(bool)
    for row in rows(data_dir, DUPLICATES):
        group = row.get("group", "")
        name = row.get("class") or _class_name(row.get("label", ""), class_names)
        members[group].append(
            Member(
                key=row.get("key", ""),
                split=row.get("split", ""),
                fate=row.get("fate", ""),
                class_name=name,
                kind=row.get("kind", ""),
                distance=_distance(row.get("distance", "")),
            )
        )
        conflicts[group] |= row.get("conflict", "").lower() in _TRUE
    return [Group(tuple(found), conflicts[group]) for group, found in members.items()]


def _exact_groups(data_dir: Path) -> list[Group]:
    """The groups of pictures with equal bytes, by splits.csv, which is read twice.

    The first time 8 bytes of each digest are kept, the second time the rows of repeated ones.
    """
    digests = np.fromiter(
        (int(row["sha256"][:16], 16) for row in rows(data_dir, SPLITS)), dtype=np.uint64
    )
    values, counts = np.unique(digests, return_counts=True)
    repeated = set(values[counts > 1].tolist())
    members: dict[str, list[Member]] = defaultdict(list)
    for row in rows(data_dir, SPLITS) if repeated else ():
        if int(row["sha256"][:16], 16) in repeated:
            member = Member(row["key"], row["split"], "", row["class"], "exact", "")
            members[row["sha256"]].append(member)
    return [
        Group(
            tuple(sorted(found, key=lambda member: member.key)),
            len({member.class_name for member in found}) > 1,
        )
        for found in members.values()
        if len(found) > 1
    ]


def duplicate_groups(data_dir: Path, class_names: tuple[str, ...]) -> list[Group]:
    """The groups of copies: label conflicts first, then those across splits, then the largest.

    They are those of duplicates.csv; where there is none, the pictures with equal bytes.

    Raises:
      IntegrityError: a table is damaged.
    """
    try:
        if (data_dir / DUPLICATES).is_file():
            groups = _listed_groups(data_dir, class_names)
        else:
            groups = _exact_groups(data_dir)
    except (KeyError, ValueError) as error:
        raise IntegrityError(
            f"{data_dir / SPLITS} is damaged ({error}); copy the data set again or rebuild it "
            "with python -m data_tools.build_tfrecords"
        ) from None
    return sorted(
        groups,
        key=lambda g: (not g.conflict, len(g.splits) < 2, -len(g.members), g.members[0].key),
    )
