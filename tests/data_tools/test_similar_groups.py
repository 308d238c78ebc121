"""Groups are the same from any order, hold all copies of a picture, and no chain runs away."""

import hashlib
import random
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from data_tools import _scenes, _similar
from data_tools._similar_groups import Group, find
from data_tools.splits import Candidate

REACH = 4 * _similar.NEAR


def squares(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """uint8 [count, 16, 16, 3]: drawn pictures."""
    drawn = [_scenes.paint(seed, "cat", number).resize((16, 16)) for number in range(count)]
    return np.stack([np.asarray(image) for image in drawn])


def noisy(square: NDArray[np.uint8], seed: int, levels: int = 3) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(-levels, levels + 1, square.shape)
    return (square.astype(int) + noise).clip(0, 255).astype(np.uint8)


def prints(pictures: list[NDArray[np.uint8]], pixels: list[int]) -> _similar.Prints:
    sized = zip(pictures, pixels, strict=True)
    return _similar.prints([_similar.Look(each.tobytes(), size) for each, size in sized])


def candidates(count: int, labels: list[int] | None = None) -> list[Candidate]:
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
    return [
        Candidate(f"{number:04}.jpg", labels[number] if labels else 0, digest)
        for number, digest in enumerate(digests)
    ]


def keys(group: Group) -> set[str]:
    return {member.picture.key for member in group.members}


def test_copies_are_one_group_and_the_largest_comes_first() -> None:
    one, two, three = squares(3)
    pictures = [noisy(one, 1), two, noisy(one, 2)[:, ::-1], one, three]
    groups = find(candidates(5), prints(pictures, [100, 100, 100, 400, 100]))
    assert [keys(group) for group in groups] == [{"0000.jpg", "0002.jpg", "0003.jpg"}]
    members = {member.picture.key: member for member in groups[0].members}
    assert groups[0].members[0].picture.key == "0003.jpg"
    assert {key: member.kind for key, member in members.items()} == {
        "0000.jpg": "near",
        "0002.jpg": "mirrored",
        "0003.jpg": "first",
    }
    assert 0 < members["0000.jpg"].distance < _similar.NEAR
    assert groups[0].name == min(member.picture.sha256 for member in groups[0].members)


def test_equal_bytes_are_a_group_whatever_they_show() -> None:
    same = [Candidate(f"{number}.jpg", number, "ab" * 32) for number in range(2)]
    flat = [np.full((16, 16, 3), 7, np.uint8)] * 2
    for made in (None, prints(flat, [9, 9]), _similar.blank(2)):
        (group,) = find(same, made)
        assert [member.kind for member in group.members] == ["first", "exact"]
        assert group.conflict


def test_flat_pictures_are_not_grouped() -> None:
    flat = [np.full((16, 16, 3), level, np.uint8) for level in (0, 0, 1, 128, 255, 255)]
    assert find(candidates(6), prints(flat, [100] * 6)) == ()


@pytest.mark.parametrize("count", [0, 1])
def test_a_picture_alone_is_no_group(count: int) -> None:
    assert find(candidates(count), prints(list(squares(2))[:count], [100] * count)) == ()


def test_the_order_of_the_pictures_does_not_matter() -> None:
    base = squares(12)
    pictures = [*base, *[noisy(base[n % 12], n, 2)[:, :: 1 - 2 * (n % 2)] for n in range(24)]]
    names = candidates(36, [number % 2 for number in range(36)])
    names[30] = Candidate("copy.jpg", 0, names[3].sha256)
    pictures[30] = pictures[3]
    sizes = [100 + number % 4 for number in range(36)]
    sizes[30] = sizes[3]
    wanted = find(names, prints(pictures, sizes))
    assert sum(len(group.members) for group in wanted) == 36
    for seed in range(5):
        order = random.Random(seed).sample(range(36), 36)
        made = prints([pictures[n] for n in order], [sizes[n] for n in order])
        assert find([names[n] for n in order], made) == wanted


def test_all_copies_of_a_picture_are_one_group_though_not_near_to_each_other() -> None:
    base = squares(1)[0]
    pictures = [base, *[noisy(base, seed, 8) for seed in range(30)]]
    made = prints(pictures, [100] * 31)
    from_base, _ = _similar.distances(made, np.zeros(31, int), np.arange(31))
    assert from_base.max() <= _similar.NEAR
    among, _ = _similar.distances(made, np.full(29, 1), np.arange(2, 31))
    assert among.max() > _similar.NEAR
    (group,) = find(candidates(31), made)
    assert len(group.members) == 31


def chain(steps: int) -> list[NDArray[np.uint8]]:
    """Six drawn pictures, each turning into the next one."""
    stops = squares(6).astype(float)
    mixed = []
    for one, other in zip(stops, stops[1:], strict=False):
        shares = np.linspace(0, 1, steps, endpoint=False)
        mixed += [((1 - share) * one + share * other).astype(np.uint8) for share in shares]
    return mixed


def test_a_chain_of_pictures_each_near_the_next_does_not_run_away() -> None:
    made = prints(chain(60), [100] * 300)
    links, _ = _similar.distances(made, np.arange(299), np.arange(1, 300))
    assert links.max() <= _similar.NEAR
    groups = find(candidates(300), made)
    assert len(groups) >= 5
    assert max(len(group.members) for group in groups) < 100
    for group in groups:
        rows = np.array([int(member.picture.key[:4]) for member in group.members])
        apart = [_similar.distances(made, np.full(len(rows), row), rows)[0].max() for row in rows]
        assert min(apart) <= REACH
    sizes = Counter(key for group in groups for key in keys(group))
    assert max(sizes.values()) == 1


def test_thousands_of_nearly_equal_pictures_are_one_group_in_good_time() -> None:
    base = squares(1)[0]
    pictures = [noisy(base, seed) for seed in range(2000)]
    (group,) = find(candidates(2000), prints(pictures, [100] * 2000))
    assert len(group.members) == 2000
