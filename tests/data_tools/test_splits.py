"""Splits are exact, stratified, stable, and exact copies are never apart."""

import hashlib
import random
from collections import Counter
from fractions import Fraction

import pytest

from catdog.errors import InputError, UsageError
from data_tools import splits
from data_tools.splits import Candidate, Wish


def candidate(label: int, number: int, content: str = "") -> Candidate:
    key = f"{('cat', 'dog')[label]}.{number}.jpg"
    return Candidate(key, label, hashlib.sha256((content or key).encode()).hexdigest())


def pictures(cats: int, dogs: int) -> list[Candidate]:
    return [candidate(0, n) for n in range(cats)] + [candidate(1, n) for n in range(dogs)]


def assign(candidates: list[Candidate], *entries: str, seed: int = 0) -> dict[str, str]:
    return splits.assign(candidates, splits.parse(entries), seed=seed)


def counts(candidates: list[Candidate], found: dict[str, str]) -> Counter[tuple[str, int]]:
    return Counter((found[c.key], c.label) for c in candidates if c.key in found)


def test_fractions_divide_every_class_alike() -> None:
    candidates = pictures(1000, 500)
    found = assign(candidates, "train=0.8", "validation=0.2")
    assert counts(candidates, found) == {
        ("train", 0): 800, ("validation", 0): 200, ("train", 1): 400, ("validation", 1): 100,
    }  # fmt: skip


@pytest.mark.parametrize("cats", [5, 6, 7, 8, 9, 10])
def test_every_picture_has_a_split_whatever_the_remainder(cats: int) -> None:
    candidates = pictures(cats, 10)
    found = assign(candidates, "a=1/3", "b=1/3", "c=1/3")
    assert set(found) == {c.key for c in candidates}
    per_split = Counter(found[c.key] for c in candidates if c.label == 0)
    assert max(per_split.values()) - min(per_split.values()) <= 1


def test_counts_are_met_exactly_and_the_rest_is_left_out() -> None:
    candidates = pictures(61, 40)
    found = assign(candidates, "train=50", "test=30")
    total = counts(candidates, found)
    assert len(found) == 80
    assert total["train", 0] + total["train", 1] == 50
    assert total["test", 0] + total["test", 1] == 30
    assert abs(total["train", 0] - 50 * 61 / 101) < 1


@pytest.mark.parametrize("cats", range(1, 8))
def test_counts_that_take_everything_are_met(cats: int) -> None:
    candidates = pictures(cats, 7)
    found = assign(candidates, f"a={cats}", "b=3", "c=4")
    assert Counter(found.values()) == {"a": cats, "b": 3, "c": 4}


def test_published_is_the_published_division() -> None:
    candidates = pictures(12_500, 12_500)
    found = assign(candidates, "published")
    assert counts(candidates, found) == {
        ("train", 0): 5000, ("train", 1): 5000, ("validation", 0): 1250, ("validation", 1): 1250,
        ("test", 0): 6250, ("test", 1): 6250,
    }  # fmt: skip


def test_one_split_may_take_all() -> None:
    assert set(assign(pictures(3, 4), "test=1.0").values()) == {"test"}


def test_exact_copies_share_a_split_and_totals_stay_exact() -> None:
    candidates = pictures(100, 100) + [
        candidate(label, 1000 + n, f"{('cat', 'dog')[label]}.{n % 12}.jpg")
        for label in (0, 1)
        for n in range(36)
    ]
    found = assign(candidates, "train=0.5", "validation=0.25", "test=0.25")
    by_content: dict[str, set[str]] = {}
    for c in candidates:
        by_content.setdefault(c.sha256, set()).add(found[c.key])
    assert {len(names) for names in by_content.values()} == {1}
    assert counts(candidates, found) == {
        (name, label): size
        for name, size in (("train", 68), ("validation", 34), ("test", 34))
        for label in (0, 1)
    }
    # copies are spread in proportion, not heaped into one split
    spread = Counter(found[c.key] for c in candidates if int(c.key.split(".")[1]) >= 1000)
    assert min(spread.values()) >= 9


def test_copies_under_two_labels_share_a_split() -> None:
    candidates = [*pictures(20, 20), candidate(0, 90, "same"), candidate(1, 90, "same")]
    found = assign(candidates, "train=0.5", "validation=0.5")
    assert found["cat.90.jpg"] == found["dog.90.jpg"]


def test_the_order_and_names_of_the_pictures_do_not_matter() -> None:
    candidates = pictures(50, 50)
    found = assign(candidates, "train=0.7", "validation=0.3")
    assert assign(candidates[::-1], "train=0.7", "validation=0.3") == found
    renamed = [Candidate(f"moved/{c.key}", c.label, c.sha256) for c in candidates]
    moved = assign(renamed, "train=0.7", "validation=0.3")
    assert moved == {f"moved/{key}": name for key, name in found.items()}


def test_the_seed_matters_and_the_division_is_the_same_for_ever() -> None:
    candidates = pictures(4, 4)
    found = assign(candidates, "train=0.5", "validation=0.5")
    assert sorted(key for key, name in found.items() if name == "train") == [
        "cat.0.jpg",
        "cat.2.jpg",
        "dog.0.jpg",
        "dog.3.jpg",
    ]
    others = [assign(candidates, "train=0.5", "validation=0.5", seed=seed) for seed in range(1, 9)]
    assert any(other != found for other in others)


def test_an_empty_split_is_an_input_error() -> None:
    with pytest.raises(InputError, match="'validation' would be empty: 4 pictures are too few"):
        assign(pictures(2, 2), "train=0.9", "validation=0.1")


def test_more_than_there_is_is_an_input_error() -> None:
    with pytest.raises(InputError, match="asks for 11 pictures, there are 10"):
        assign(pictures(5, 5), "train=8", "test=3")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (("train=1",), "all pictures in one split is written train=1.0"),
        (("train=0.8",), "add up to 1, 'train=0.8' adds up to 0.8"),
        (("train=0.8", "validation=0.3"), "adds up to 1.1"),
        (("train=0.8", "validation=100"), "fractions or counts, not both"),
        (("train=1.0", "train=0.0"), "above 0, received 'train=0.0'"),
        (("train=0.5", "train=0.5"), "different splits"),
        (("train",), "received 'train'"),
        (("train=",), "received 'train='"),
        (("train=x",), "received 'train=x'"),
        (("train=1/0",), "received 'train=1/0'"),
        (("train=-5",), "received 'train=-5'"),
        (("train=nan",), "received 'train=nan'"),
        (("all=1.0",), "not 'all'"),
        (("my-split=1.0",), "lower-case letters"),
        (("../x=1.0",), "lower-case letters"),
        (("published", "test=1.0"), "received 'published'"),
        ((), "must name different splits"),
    ],
)
def test_splits_that_make_no_sense_are_usage_errors(entries: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        splits.parse(entries)


def test_shares_are_exact_numbers() -> None:
    assert splits.parse(["a=0.1", "b=0.2", "c=0.7"]) == (
        Wish("a", Fraction(1, 10)), Wish("b", Fraction(1, 5)), Wish("c", Fraction(7, 10)),
    )  # fmt: skip


def sample(candidates: list[Candidate], size: int, seed: int = 0) -> list[Candidate]:
    return splits.sample(
        candidates,
        size=size,
        seed=seed,
        class_names=("cat", "dog"),
        label_of=lambda c: c.label,
        key_of=lambda c: c.key,
    )


def test_a_sample_is_balanced_whatever_the_classes_sizes() -> None:
    candidates = pictures(900, 30)
    chosen = sample(candidates, 41)
    assert Counter(c.label for c in chosen) == {0: 21, 1: 20}
    assert [c for c in candidates if c in set(chosen)] == chosen


def test_a_smaller_sample_is_part_of_a_larger_one_and_the_seed_matters() -> None:
    candidates = pictures(50, 50)
    assert set(sample(candidates, 20)) < set(sample(candidates, 40))
    assert sample(candidates, 20) != sample(candidates, 20, seed=1)


def test_a_sample_larger_than_a_class_says_which() -> None:
    with pytest.raises(UsageError, match="takes 20 pictures of each class, there are 3 of 'dog'"):
        sample(pictures(50, 3), 40)


@pytest.mark.parametrize("seed", range(40))
def test_groups_never_straddle_splits_and_parts_stay_about_as_asked_for(seed: int) -> None:
    rng = random.Random(seed)
    largest = rng.choice([1, 3, 10, 40])
    candidates = []
    while len(candidates) < 400:
        label = rng.randrange(3)
        for copy in range(rng.randint(1, largest)):
            number = len(candidates)
            sha256 = hashlib.sha256(f"{seed}/{number}".encode()).hexdigest()
            # labels of one group differ now and then; the group is named by its first picture
            mine = rng.randrange(3) if rng.random() < 0.02 else label
            group = candidates[-1].group if copy else sha256
            candidates.append(Candidate(f"{number}.jpg", mine, sha256, group))
    weights = [rng.randint(1, 9) for _ in range(rng.randint(2, 4))]
    entries = [f"s{i}={weight}/{sum(weights)}" for i, weight in enumerate(weights)]
    if seed % 2:
        entries = [f"s{i}={300 * weight // sum(weights)}" for i, weight in enumerate(weights)]
    found = assign(candidates, *entries, seed=seed)
    places: dict[str, set[str]] = {}
    for each in candidates:
        places.setdefault(each.group, set()).add(found.get(each.key, ""))
    assert {len(names) for names in places.values()} == {1}
    assert assign(rng.sample(candidates, len(candidates)), *entries, seed=seed) == found
    sizes, total = Counter(found.values()), len(candidates)
    for entry in entries:
        name, _, share = entry.partition("=")
        wanted = Fraction(share) if seed % 2 else Fraction(share) * total
        # each label may miss by a group in each split, and by rounding
        assert abs(sizes[name] - wanted) <= 3 * len(entries) * (largest - 1) + 3
    assert seed % 2 or len(found) == total
