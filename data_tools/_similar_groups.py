"""Groups of pictures that are copies of each other, exact or near: the same from any order."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data_tools import _similar, _similar_pairs
from data_tools.splits import Candidate

FIRST, EXACT, NEAR, MIRRORED = "first", "exact", "near", "mirrored"

# A group holds what is this near to one of its pictures, its centre. It is twice the angle of NEAR,
# so all copies of one picture fit, whichever of them is the centre; and a chain of pictures, each
# like the one before (a film, a product in a thousand variants), is cut and cannot run away.
_REACH = 4 * _similar.NEAR


@dataclasses.dataclass(frozen=True)
class Member:
    """A picture of a group: what it is to the group's first one, and how far from it (0 to 2)."""

    picture: Candidate
    kind: str
    distance: float


@dataclasses.dataclass(frozen=True)
class Group:
    """Copies of one picture; the first has the most pixels.

    Attributes:
      name: the smallest sha256 (hex) of its pictures.
      members: the first one, then the others by key.
    """

    name: str
    members: tuple[Member, ...]

    @property
    def conflict(self) -> bool:
        """Whether its pictures have different labels."""
        return len({member.picture.label for member in self.members}) > 1


class _Clusters:
    """Pictures numbered 0..n-1 in clusters, each within reach of its centre.

    Attributes:
      centre: int64 [n], the number of the centre of each picture's cluster.
      members: the pictures of the clusters of two and more, by their centres.
    """

    def __init__(self, prints: _similar.Prints, rows: NDArray[np.int64]) -> None:
        """Every picture alone; number i is the one at rows[i] of the prints."""
        self._prints = prints
        self._rows = rows
        self.centre = np.arange(len(rows))
        self.members: dict[int, list[int]] = {}
        self._refused: set[tuple[int, int, int, int]] = set()

    def distances(
        self, first: NDArray[np.integer], second: NDArray[np.integer]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """As `_similar.distances`, of pictures by their numbers."""
        return _similar.distances(self._prints, self._rows[first], self._rows[second])

    def all_reach(self, members: Sequence[int], centre: int) -> bool:
        """Whether every one of the members is within reach of `centre`."""
        apart, _ = self.distances(np.full(len(members), centre), np.array(members))
        return bool(apart.max() <= _REACH)

    def _of(self, centre: int) -> list[int]:
        return self.members.get(centre, [centre])

    def join(self, one: int, other: int) -> None:
        """Makes one cluster of those of two pictures, if all reach the centre of the larger.

        Of two of equal size it is the centre with the smaller number.
        """
        centres = {int(self.centre[one]), int(self.centre[other])}
        if len(centres) == 1:
            return
        stays, goes = sorted(centres, key=lambda centre: (-len(self._of(centre)), centre))
        attempt = (stays, goes, len(self._of(stays)), len(self._of(goes)))
        if attempt in self._refused:
            return
        joining = self._of(goes)
        if not self.all_reach(joining, stays):
            self._refused.add(attempt)
            return
        self.members.setdefault(stays, [stays]).extend(joining)
        self.members.pop(goes, None)
        self.centre[joining] = stays


def _clustered(prints: _similar.Prints, rows: NDArray[np.int64]) -> _Clusters:
    clusters = _Clusters(prints, rows)
    if len(rows) < 2:
        return clusters
    for first, second in _similar_pairs.rounds(prints.luma, rows):
        # so that a thousand copies of a picture cost a thousand comparisons, not a million
        apart = clusters.centre[first] != clusters.centre[second]
        first, second = first[apart], second[apart]
        distance, _ = clusters.distances(first, second)
        near = np.flatnonzero(distance <= _similar.NEAR)
        for pair in near[np.argsort(distance[near], kind="stable")]:
            clusters.join(int(first[pair]), int(second[pair]))
    return clusters


def _group(first: int, others: Sequence[tuple[list[Candidate], str, float]]) -> Group:
    """The group of pictures with equal bytes, each list with its kind and distance.

    The first of list number `first` is the group's first.
    """
    head = others[first][0][0]
    members = [
        Member(picture, kind, distance)
        for pictures, kind, distance in others
        for picture in pictures
        if picture is not head
    ]
    members.sort(key=lambda member: member.picture.key)
    name = min(pictures[0].sha256 for pictures, _, _ in others)
    return Group(name, (Member(head, FIRST, 0.0), *members))


def _near_group(
    clusters: _Clusters, numbers: Sequence[int], copies: Sequence[list[Candidate]]
) -> Group:
    """The group of one cluster, given its pictures' numbers, the centre's first, and copies."""
    place = min(range(len(numbers)), key=lambda place: numbers[place])
    if not clusters.all_reach(numbers, numbers[place]):
        place = 0
    head = np.full(len(numbers), numbers[place])
    apart, mirrored = clusters.distances(head, np.array(numbers))
    kinds = [MIRRORED if turned else NEAR for turned in mirrored.tolist()]
    kinds[place], apart[place] = EXACT, 0.0
    return _group(place, list(zip(copies, kinds, apart.tolist(), strict=True)))


def _runs(
    candidates: Sequence[Candidate], prints: _similar.Prints | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places of all, those of most pixels first, and where in it pictures of new bytes begin.

    Pictures of equal bytes stand side by side, by key.
    """
    digests = np.frombuffer(b"".join(bytes.fromhex(each.sha256) for each in candidates), ">u8")
    words = digests.reshape(len(candidates), 4)
    blank = np.zeros(len(candidates), np.int64)
    pixels = blank if prints is None else prints.pixels[: len(candidates)]
    places = np.lexsort((*words.T[::-1], -pixels))
    fresh = (words[places[1:]] != words[places[:-1]]).any(axis=1)
    starts = np.flatnonzero(np.append(True, fresh))
    ends = np.append(starts[1:], len(places))
    for run in np.flatnonzero(ends - starts > 1).tolist():
        mine = slice(starts[run], ends[run])
        places[mine] = sorted(places[mine].tolist(), key=lambda place: candidates[place].key)
    return places, starts


def find(candidates: Sequence[Candidate], prints: _similar.Prints | None) -> tuple[Group, ...]:
    """The groups of two or more, by the key of their first pictures.

    Args:
      candidates: pictures with different keys.
      prints: what they look like, in their order, and maybe others behind these; None finds exact
        copies only.
    """
    if not candidates:
        return ()
    # each run of equal bytes is one picture from here on
    places, starts = _runs(candidates, prints)
    ends = np.append(starts[1:], len(places))

    def copies(run: int) -> list[Candidate]:
        found = [candidates[place] for place in places[starts[run] : ends[run]].tolist()]
        # of a candidate that is more than this, no more is told
        return [Candidate(each.key, each.label, each.sha256) for each in found]

    groups = []
    alone = set(np.flatnonzero(ends - starts > 1).tolist())
    if prints is not None:
        rows = places[starts]
        seen = np.flatnonzero(_similar.has_detail(prints.luma)[rows])
        clusters = _clustered(prints, rows[seen])
        for numbers in clusters.members.values():
            mine = seen[numbers].tolist()
            groups.append(_near_group(clusters, numbers, [copies(run) for run in mine]))
            alone.difference_update(mine)
    groups += [_group(0, [(copies(run), EXACT, 0.0)]) for run in alone]
    return tuple(sorted(groups, key=lambda group: group.members[0].picture.key))
