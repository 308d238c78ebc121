"""Which picture goes into which split: stratified, seeded, copies together.

The order of the pictures is that of the sha256 of the seed and of the picture's own sha256, so
it depends on no random generator, no file name and no other picture.
"""

import dataclasses
import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeVar

from catdog.errors import InputError, UsageError

Picture = TypeVar("Picture")

PUBLISHED = ("train=10000", "validation=2500", "test=12500")

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclasses.dataclass(frozen=True)
class Wish:
    """A split that is asked for: a fraction of all pictures, or (an int) how many of them."""

    name: str
    share: Fraction | int


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """What decides about a picture's split: its key, label and sha256 (hex).

    Pictures of one group share a split; without a name for it, the group is the sha256.
    """

    key: str
    label: int
    sha256: str
    group: str = ""


def _share(text: str, entry: str) -> Fraction | int:
    try:
        share = int(text) if text.isdecimal() else Fraction(text)
    except (ValueError, ZeroDivisionError):
        share = 0
    if share <= 0:
        raise UsageError(
            f"a split is NAME=FRACTION or NAME=COUNT, both above 0, received {entry!r}"
        )
    return share


def parse(entries: Sequence[str]) -> tuple[Wish, ...]:
    """The splits that the entries `name=0.8` or `name=10000` (or `published`) ask for.

    Raises:
      UsageError: a name or number that cannot be, fractions that do not add up to 1, or
        fractions beside counts.
    """
    entries = PUBLISHED if tuple(entries) == ("published",) else entries
    wishes = []
    for entry in entries:
        name, _, text = entry.partition("=")
        if not _NAME.match(name) or name == "all":
            raise UsageError(
                f"a split's name is lower-case letters, digits and _ (and not 'all'), "
                f"received {entry!r}"
            )
        wishes.append(Wish(name, _share(text, entry)))
    if not wishes or len({wish.name for wish in wishes}) < len(wishes):
        raise UsageError(f"--splits must name different splits, received {','.join(entries)!r}")
    if len(wishes) == 1 and wishes[0].share == 1 and isinstance(wishes[0].share, int):
        raise UsageError(f"all pictures in one split is written {wishes[0].name}=1.0, not 1")
    kinds = {isinstance(wish.share, int) for wish in wishes}
    total = sum(wish.share for wish in wishes)
    if len(kinds) > 1:
        raise UsageError(
            f"--splits takes fractions or counts, not both, received {','.join(entries)!r}"
            " (all of it is written 1.0)"
        )
    if kinds == {False} and total != 1:
        raise UsageError(
            f"the fractions of --splits must add up to 1, {','.join(entries)!r} adds up to "
            f"{float(total):g}"
        )
    return tuple(wishes)


def _rank(purpose: str, seed: int, name: str) -> str:
    text = f"{purpose}:{seed}:{name}"
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _apportion(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Whole numbers that add up to `total`, as near as can be to the proportions of `weights`.

    Largest remainders are rounded up, the earlier of equal ones first; none exceeds its weight
    when the weights are whole and add up to `total` or more.
    """
    whole = sum(weights)
    exact = [Fraction(total) * weight / whole for weight in weights]
    parts = [int(share) for share in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts


def sample(
    pictures: Sequence[Picture],
    *,
    size: int,
    seed: int,
    class_names: Sequence[str],
    label_of: Callable[[Picture], int],
    key_of: Callable[[Picture], str],
) -> list[Picture]:
    """`size` of the pictures in their order, of each class as many as of any other, or one more.

    Raises:
      UsageError: some class has too few pictures.
    """
    chosen: set[str] = set()
    for label, wanted in enumerate(_apportion(size, [1] * len(class_names))):
        keys = [key_of(picture) for picture in pictures if label_of(picture) == label]
        if len(keys) < wanted:
            raise UsageError(
                f"--sample_size={size} takes {wanted} pictures of each class, there are "
                f"{len(keys)} of {class_names[label]!r}; ask for fewer"
            )
        keys.sort(key=lambda key: _rank("sample", seed, key))
        chosen.update(keys[:wanted])
    return [picture for picture in pictures if key_of(picture) in chosen]


def check_counts(wishes: Sequence[Wish], pictures: int) -> None:
    """Nothing, unless the counts of the splits add up to more than so many pictures.

    Raises:
      InputError: they do.
    """
    total = sum(wish.share for wish in wishes if isinstance(wish.share, int))
    if total > pictures:
        raise InputError(
            f"--splits asks for {total} pictures, there are {pictures} that can be used; "
            "ask for fewer"
        )


def _quotas(wishes: Sequence[Wish], class_sizes: dict[int, int]) -> dict[int, list[int]]:
    """How many pictures of each label each split gets; what is left out comes last."""
    if isinstance(wishes[0].share, Fraction):
        shares = [wish.share for wish in wishes]
        return {label: [*_apportion(size, shares), 0] for label, size in class_sizes.items()}
    check_counts(wishes, sum(class_sizes.values()))
    left = dict(class_sizes)
    quotas: dict[int, list[int]] = {label: [] for label in left}
    for wish in wishes:
        count = int(wish.share)
        for label, part in zip(left, _apportion(count, list(left.values())), strict=True):
            quotas[label].append(part)
            left[label] -= part
    return {label: [*quotas[label], left[label]] for label in quotas}


def _place(groups: Sequence[list[Candidate]], quotas: Sequence[int]) -> list[int]:
    """The number of the split of each group, all of one label, in the order of the groups.

    Groups of several go first, each where the largest part of the quota is still free; single
    pictures then fill every quota exactly.
    """
    free = list(quotas)
    places = [0] * len(groups)
    for i, group in enumerate(groups):
        if len(group) > 1:
            fits = [s for s in range(len(free)) if free[s] >= len(group)]
            places[i] = max(
                fits or range(len(free)),
                key=lambda s: (Fraction(free[s], quotas[s]) if quotas[s] else Fraction(-1), -s),
            )
            free[places[i]] -= len(group)
    split = 0
    for i, group in enumerate(groups):
        if len(group) == 1:
            while free[split] <= 0 and split < len(free) - 1:
                split += 1
            places[i] = split
            free[split] -= 1
    return places


def _amount(candidates: Sequence[Candidate], groups: dict[str, list[Candidate]]) -> str:
    """How many pictures there are, and of how many kinds if some are copies of others."""
    count = f"{len(candidates)} pictures"
    return count if len(groups) == len(candidates) else f"{count}, {len(groups)} without copies,"


def assign(candidates: Sequence[Candidate], wishes: Sequence[Wish], *, seed: int) -> dict[str, str]:
    """The split's name for each picture's key; pictures that no count asks for are absent.

    Every class is divided in the same proportions. Pictures of one group share a split, also
    where their labels differ (the first key's label then counts for all of them). A group of more
    pictures than are left of every part makes its split larger than asked for, and others smaller.

    Raises:
      InputError: there are fewer pictures than asked for, or a split would be empty.
    """
    groups: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in sorted(candidates, key=lambda candidate: candidate.key):
        groups[candidate.group or candidate.sha256].append(candidate)
    by_label: dict[int, list[list[Candidate]]] = defaultdict(list)
    for _, group in sorted(groups.items(), key=lambda item: _rank("split", seed, item[0])):
        by_label[group[0].label].append(group)
    class_sizes = {label: sum(map(len, by_label[label])) for label in sorted(by_label)}
    quotas = _quotas(wishes, class_sizes)
    found: dict[str, str] = {}
    for label, label_groups in by_label.items():
        for group, place in zip(label_groups, _place(label_groups, quotas[label]), strict=True):
            if place < len(wishes):
                found.update((candidate.key, wishes[place].name) for candidate in group)
    for name in [wish.name for wish in wishes if wish.name not in set(found.values())]:
        raise InputError(
            f"the split {name!r} would be empty: {_amount(candidates, groups)} are too few for "
            f"--splits={','.join(f'{wish.name}={wish.share}' for wish in wishes)}"
        )
    return found
