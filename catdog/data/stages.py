"""Stages of a training: its first epochs may see smaller pictures, which cost less.

Source: Howard, Training Imagenet in 3 hours for $25, 2018, and Tan, Le: EfficientNetV2, ICML 2021,
section 4, both of which let pictures grow in the course of a training.
"""

import dataclasses
import itertools
from collections.abc import Sequence

from catdog.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Stage:
    """Epochs whose pictures have one size.

    Attributes:
      image_size: side of the pictures, in pixels.
      first: its first epoch, from 0.
      end: the first epoch behind it.
    """

    image_size: int
    first: int
    end: int


def _pair(entry: str) -> tuple[int, int]:
    size, colon, epochs = entry.partition(":")
    if not (colon and size.isdecimal() and epochs.isdecimal() and int(size) and int(epochs)):
        raise UsageError(
            f"--progressive_sizes takes SIDE:EPOCHS,…, such as 131:8,163:4, received {entry!r}"
        )
    return int(size), int(epochs)


def stages(given: Sequence[str], *, image_size: int, epochs: int) -> tuple[Stage, ...]:
    """The stages of a run, which together are its epochs.

    Args:
      given: "SIDE:EPOCHS" of the first stages, in their order.
      image_size: side of the pictures in the epochs that are left.
      epochs: of the run.

    Raises:
      UsageError: an entry of another form, or no epoch is left for pictures of `image_size`.
    """
    pairs = [_pair(entry) for entry in given]
    ends = [*itertools.accumulate(count for _, count in pairs)]
    if ends and ends[-1] >= epochs:
        raise UsageError(
            f"--progressive_sizes={','.join(given)} is {ends[-1]} epochs, of --epochs={epochs}; "
            f"leave at least one for pictures of {image_size} pixels"
        )
    sizes = [*(size for size, _ in pairs), image_size]
    return tuple(map(Stage, sizes, [0, *ends], [*ends, epochs]))


def stage_of(stages: Sequence[Stage], epoch: int) -> Stage:
    """The stage that the epoch belongs to; the last one behind the end of the run."""
    return next((stage for stage in stages if epoch < stage.end), stages[-1])
