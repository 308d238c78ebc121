"""Milestones: the first epoch above a target, and what the published runs needed."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from catdog import schema
from catdog.reports import milestones

GOLDEN = Path(__file__).parent.parent.parent / "golden"


def _history(*scores: float | None) -> list[dict[str, Any]]:
    records = []
    for epoch, score in enumerate(scores, start=1):
        record: dict[str, Any] = {"epoch": epoch, "examples": 100, "seconds": 10.0}
        if score is not None:
            record |= {"validation_accuracy": score, "validation_seconds": 2.5}
        records.append(record)
    return records


def test_a_milestone_is_the_first_epoch_above_and_all_that_came_before_it() -> None:
    found = milestones.milestones(_history(0.5, 0.85, 0.7, 0.91), (0.8, 0.9, 0.95))
    assert found == [
        milestones.Milestone(0.8, 2, 200, 25.0),
        milestones.Milestone(0.9, 4, 400, 50.0),
        milestones.Milestone(0.95),
    ]


def test_to_reach_a_target_is_not_to_pass_it() -> None:
    assert milestones.milestones(_history(0.8), (0.8,))[0].epoch is None


def test_epochs_without_a_validation_count_and_pass_nothing() -> None:
    (found,) = milestones.milestones(_history(None, None, 0.9), (0.8,))
    assert (found.epoch, found.pictures, found.seconds) == (3, 300, 32.5)


def test_the_published_curves_are_what_the_posts_tell() -> None:
    """Validation 0.932 in epoch 162 was the best of 2018, above 0.9 first in epoch 86."""
    scores = milestones.published(2018)
    assert len(scores) == len(milestones.published(2019)) == 300
    assert max(scores) == scores[162 - 1] == 0.932
    assert milestones.published_epoch(0.9) == 86
    assert all(score < 0.55 for score in scores[:19])
    assert milestones.published_epoch(0.94, 2019) is None
    reached = milestones.published_epoch(0.9, 2019)
    assert reached is not None and reached < 86


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"class_names": ("dog", "cat")}, True),
        ({"class_names": ("Cat", "Dog")}, True),
        ({"source": {"name": "cats_vs_dogs", "layout": "tfds"}}, True),
        ({"source": {"name": "mine", "layout": "image_folder"}}, False),
        ({"class_names": ("cat", "cow")}, False),
        ({"class_names": ("cat", "dog", "cow")}, False),
    ],
)
def test_dogs_vs_cats_is_known_by_classes_layout_and_size(
    changes: dict[str, Any], expected: bool
) -> None:
    (folder,) = (path.parent for path in GOLDEN.glob("**/manifest.json"))
    small = schema.read_manifest(folder)
    shard = small.splits["train"].shards[0]
    split = schema.Split("train", (dataclasses.replace(shard, examples=10_000),), (5000, 5000))
    large = dataclasses.replace(
        small,
        class_names=("cat", "dog"),
        source={"name": "train.zip", "layout": "kaggle"},
        splits={"train": split},
    )
    assert milestones.is_dogs_vs_cats(dataclasses.replace(large, **changes)) is expected
    few = dataclasses.replace(split, shards=(dataclasses.replace(shard, examples=9_999),))
    assert not milestones.is_dogs_vs_cats(
        dataclasses.replace(large, **{**changes, "splits": {"train": few}})
    )
