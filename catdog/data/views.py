"""Center crop and ten crop, cut on the device from whole pictures.

Both return [views, batch, size, size, 3], so that what averages over views never asks which.
"""

from collections.abc import Callable
from typing import Any

from catdog.errors import UsageError


def center_crop(images: Any, size: int) -> Any:
    """The middle of each picture as one view; same dtype, [1, B, size, size, 3].

    The crop starts at (stored // 2) - (size // 2): row and column 15 for 227 of 256, as in the
    original.
    """
    top = images.shape[1] // 2 - size // 2
    left = images.shape[2] // 2 - size // 2
    return images[None, :, top : top + size, left : left + size]


def ten_crop(images: Any, size: int) -> Any:
    """Ten views of each picture; same dtype, [10, B, size, size, 3].

    The order is top left, top right, bottom left, bottom right, center, then the mirror images
    of the five.
    """
    import tensorflow as tf

    bottom, right = images.shape[1] - size, images.shape[2] - size
    five = [
        images[:, top : top + size, left : left + size]
        for top, left in ((0, 0), (0, right), (bottom, 0), (bottom, right))
    ]
    views = tf.concat([tf.stack(five), center_crop(images, size)], 0)
    return tf.concat([views, tf.reverse(views, [3])], 0)


VIEWS: dict[str, Callable[[Any, int], Any]] = {"center": center_crop, "ten": ten_crop}


def find(name: str) -> Callable[[Any, int], Any]:
    """The view function called `name`.

    Raises:
      UsageError: there is none of that name.
    """
    if name not in VIEWS:
        raise UsageError(f"unknown views {name!r}: choose from {', '.join(VIEWS)}")
    return VIEWS[name]
