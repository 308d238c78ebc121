"""What a build does with groups of duplicates, and what it tells of them."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeVar

from catdog import files
from catdog.errors import InputError
from data_tools._similar_groups import EXACT, MIRRORED, NEAR, Group
from data_tools.splits import Candidate

Picture = TypeVar("Picture", bound=Candidate)

GROUP, DROP, ALLOW = "group", "drop", "allow"
POLICIES = (GROUP, DROP, ALLOW)

STORED, DROPPED, LEFT_OUT = "stored", "dropped", "left out"


def settled(
    candidates: Sequence[Picture],
    groups: Sequence[Group],
    class_names: Sequence[str],
    *,
    drop: bool,
) -> list[Picture]:
    """The candidates with the names of their groups, so that each group shares a split.

    With `drop` they are without all but the first of each group.

    Raises:
      InputError: nothing is left of some class.
    """
    names = {member.picture.key: group.name for group in groups for member in group.members}
    gone = {member.picture.key for group in groups for member in group.members[1:] if drop}
    left = [
        dataclasses.replace(candidate, group=names[candidate.key])
        if candidate.key in names
        else candidate
        for candidate in candidates
        if candidate.key not in gone
    ]
    present = {each.label for each in candidates} if gone else set()
    for label in sorted(present - {each.label for each in left}):
        raise InputError(
            f"--duplicates=drop leaves no picture of the class {class_names[label]!r}: each is a "
            "copy of a picture of another class; mend the labels, or give --duplicates=group"
        )
    return left


def counts(groups: Sequence[Group], policy: str) -> dict[str, int]:
    """How many groups there are, pictures in them, of which kind, conflicts and dropped ones."""
    kinds = Counter(member.kind for group in groups for member in group.members)
    pictures = sum(kinds.values())
    return {
        "groups": len(groups),
        "pictures": pictures,
        **{kind: kinds[kind] for kind in (EXACT, NEAR, MIRRORED)},
        "conflicts": sum(group.conflict for group in groups),
        "dropped": pictures - len(groups) if policy == DROP else 0,
    }


def text(groups: Sequence[Group], policy: str, class_names: Sequence[str]) -> Iterator[str]:
    """One line on the groups, if there are any, and one on conflicts, if there are any."""
    found = counts(groups, policy)
    if groups:
        kinds = ", ".join(f"{found[kind]} {kind}" for kind in (EXACT, NEAR, MIRRORED))
        fate = "all but the first of each are dropped" if policy == DROP else "each in one split"
        yield f"duplicates: {found['pictures']} pictures in {len(groups)} groups ({kinds}), {fate}"
    conflicts = [group for group in groups if group.conflict]
    if conflicts:
        first, *others = (member.picture for member in conflicts[0].members)
        other = next(picture for picture in others if picture.label != first.label)
        yield (
            f"label conflicts: {len(conflicts)} of these groups; {first.key!r} is "
            f"{class_names[first.label]!r} and {other.key!r} is {class_names[other.label]!r}, for "
            "instance"
        )


def csv(
    groups: Sequence[Group],
    class_names: Sequence[str],
    *,
    policy: str,
    splits: dict[str, str],
) -> str:
    """The text of duplicates.csv: one row a picture, groups in their order, the first one first.

    Args:
      splits: the split of each stored picture, by key.
    """

    def fate(place: int, key: str) -> str:
        if key in splits:
            return STORED
        return DROPPED if place and policy == DROP else LEFT_OUT

    rows = []
    for number, group in enumerate(groups, start=1):
        conflict = "yes" if group.conflict else "no"
        for place, member in enumerate(group.members):
            picture = member.picture
            rows.append(
                (number, picture.key, picture.sha256, picture.label, class_names[picture.label])
                + (splits.get(picture.key, ""), fate(place, picture.key))
                + (member.kind, f"{member.distance:.4f}", conflict)
            )
    header = ("group", "key", "sha256", "label", "class", "split", "fate", "kind", "distance")
    return files.csv_text((*header, "conflict"), rows)
