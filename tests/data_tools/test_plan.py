"""Which shard a picture is in follows from its key; how many there are, from the set's size."""

from typing import Any

import pytest

from catdog.errors import UsageError
from data_tools import _plan, _scan
from data_tools._exclusion import NO_OTHERS
from data_tools._found import Picture
from data_tools.config import BuildConfig
from data_tools.sources import Item, Listing


def pictures(count: int) -> list[Picture]:
    return [Picture(f"train/cat.{n}.jpg", 0, "", locator="") for n in range(count)]


def keys(shards: tuple[tuple[Picture, ...], ...]) -> list[list[str]]:
    return [[picture.key for picture in shard] for shard in shards]


def test_every_picture_is_in_one_shard_and_the_others_do_not_matter() -> None:
    whole = keys(_plan._sharded(pictures(1000), 8))
    assert sorted(sum(whole, [])) == sorted(picture.key for picture in pictures(1000))
    half = keys(_plan._sharded(pictures(1000)[::2], 8))
    for shard, part in zip(whole, half, strict=True):
        assert part == [key for key in shard if key in set(part)]


def test_shards_are_of_about_equal_size_and_mixed() -> None:
    shards = keys(_plan._sharded(pictures(8000), 8))
    assert all(850 < len(shard) < 1150 for shard in shards)
    numbers = [int(key.split(".")[1]) for key in shards[0]]
    rises = sum(a < b for a, b in zip(numbers, numbers[1:], strict=False))
    assert 0.45 < rises / len(numbers) < 0.55


@pytest.mark.parametrize(
    ("count", "image_size", "shards"),
    [
        (1, 256, 1),
        (200, 256, 1),
        (1000, 256, 3),
        (2500, 256, 8),
        (10_000, 256, 8),
        (25_000, 256, 11),
        (2500, 32, 8),
    ],
)
def test_auto_makes_few_shards_of_few_and_64_mb_shards_of_many(
    count: int, image_size: int, shards: int
) -> None:
    assert len(_plan._auto_shards(pictures(count), image_size)) == shards


def test_auto_leaves_no_shard_empty() -> None:
    for count in range(1, 12):  # 4096 pixels: by their bytes alone, one shard for 9 pictures
        assert all(_plan._auto_shards(pictures(count), 4096))


@pytest.mark.parametrize(
    ("entries", "counts"),
    [
        (("auto",), {"train": 0, "test": 0}),
        (("4",), {"train": 4, "test": 4}),
        (("test=2", "train=16"), {"train": 16, "test": 2}),
        (("test=2", "train=auto"), {"train": 0, "test": 2}),
    ],
)
def test_num_shards_is_for_every_split_or_by_name(
    entries: tuple[str, ...], counts: dict[str, int]
) -> None:
    assert _plan.shard_counts(entries, ["train", "test"]) == counts


@pytest.mark.parametrize(
    "entries",
    [(), ("0",), ("-1",), ("many",), ("100000",), ("train=4",), ("train=4", "tset=2"),
     ("train=1", "test=2", "test=3"), ("4", "4")],
)  # fmt: skip
def test_other_num_shards_are_usage_errors(entries: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="--num_shards"):
        _plan.shard_counts(entries, ["train", "test"])


@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({}, True),
        ({"sample_size": 10}, True),  # the others are not read
        ({"sample_size": 10, "duplicates": "drop"}, False),
        ({"sample_size": 60, "duplicates": "drop"}, True),
        ({"splits": ("train=40", "test=9")}, False),
        ({"splits": ("train=40", "test=10")}, True),
        ({"splits": ("train=5", "test=5"), "sample_size": 12}, True),
        ({"splits": ("published",)}, True),
    ],
)
def test_records_are_kept_where_half_of_what_is_read_is_stored(
    changes: dict[str, Any], most: bool
) -> None:
    items = tuple(Item(f"cat.{n}.jpg", 0, "") for n in range(100))
    listing = Listing(("cat",), items, {})
    config = BuildConfig(source="", output_dir="", **changes)
    assert _plan.stores_most(listing, config, NO_OTHERS) == most


def test_a_failure_to_read_names_no_path() -> None:
    error = PermissionError(13, "Permission denied", "/home/somebody/cat.1.jpg")
    assert _scan.read_failure(error) == "cannot be read: Permission denied"
