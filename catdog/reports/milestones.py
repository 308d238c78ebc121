"""When a run passed the accuracies that count on Dogs vs. Cats, and when the published runs did."""

import csv
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catdog import schema

# The last one is what the original reached on its test set.
TARGETS = (0.80, 0.90, 0.9277)
SCORE = "validation_accuracy"

# Points read off the plots of two posts by Sualab, "Image classification and deep learning: dogs
# vs. cats with AlexNet" (2018) and its sequel on hyper-parameter search (2019). Where `…_is_vertex`
# is 0 the point lies on a line between two that were drawn.
_PUBLISHED_FILE = Path(__file__).with_name("published_learning_curve.csv")
# 39 whole batches of 256: what an epoch of 10,000 pictures had there.
PUBLISHED_EPOCH_PICTURES = 39 * 256

# The published runs trained on 10,000; a sample of a few hundred, or a drawn set, is no match.
_LEAST_EXAMPLES = 10_000
_LAYOUTS = ("kaggle", "petimages")
_TFDS_NAME = "cats_vs_dogs"


@dataclasses.dataclass(frozen=True)
class Milestone:
    """The first epoch above a score.

    Attributes:
      target: the score to pass.
      epoch: counted from 1; None when no epoch passed it.
      pictures: training pictures seen by then.
      seconds: training and validation up to then, all parts of an interrupted run together.
    """

    target: float
    epoch: int | None = None
    pictures: int = 0
    seconds: float = 0.0


def milestones(
    history: Sequence[dict[str, Any]], targets: Sequence[float] = TARGETS
) -> list[Milestone]:
    """When the validation accuracy first was above each of the targets, in their order.

    Args:
      history: the records of all epochs; one without a validation passes nothing.
      targets: accuracies, 0..1.
    """
    found = {target: Milestone(target) for target in targets}
    pictures, seconds = 0, 0.0
    for record in history:
        pictures += record["examples"]
        seconds += record["seconds"] + record.get("validation_seconds", 0.0)
        for target, milestone in found.items():
            if milestone.epoch is None and record.get(SCORE, 0.0) > target:
                found[target] = Milestone(target, record["epoch"], pictures, seconds)
    return [found[target] for target in targets]


@functools.cache
def published(year: int = 2018) -> tuple[float, ...]:
    """The validation accuracy of the published run after each of its 300 epochs.

    Args:
      year: 2018 for the original, 2019 for the best of its search of rate and decay.
    """
    column = {2018: "pub2018_val", 2019: "bo2019_val"}[year]
    with _PUBLISHED_FILE.open(encoding="ascii", newline="") as file:
        return tuple(float(row[column]) for row in csv.DictReader(file))


def published_epoch(target: float, year: int = 2018) -> int | None:
    """The first epoch of the published run above the accuracy; None when there is none."""
    scores = enumerate(published(year), start=1)
    return next((epoch for epoch, score in scores if score > target), None)


def is_dogs_vs_cats(manifest: schema.Manifest) -> bool:
    """Whether the data set is the pictures of the published runs, or a large part of them."""
    names = sorted(name.casefold() for name in manifest.class_names)
    examples = sum(split.examples for split in manifest.splits.values())
    source = manifest.source
    known = source.get("layout") in _LAYOUTS or source.get("name", "").startswith(_TFDS_NAME)
    return names == ["cat", "dog"] and known and examples >= _LEAST_EXAMPLES
