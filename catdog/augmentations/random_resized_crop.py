"""A crop of random area and aspect, resized to the model's square, mirrored half of the time.

Source: Szegedy et al.: Going deeper with convolutions, CVPR 2015, section 6.
"""

import math
from typing import Any

import tensorflow as tf

from catdog.augmentations._augmentation import Augmentation
from catdog.errors import UsageError


class RandomResizedCrop(Augmentation):
    """Cuts `area_min`…1 of the picture at an aspect of 3/4…4/3 and resizes it (bilinear)."""

    def __init__(
        self, *, image_size: int, area_min: float = 0.5, aspect_max: float = 4 / 3
    ) -> None:
        super().__init__(image_size=image_size)
        if not 0 < area_min <= 1:
            raise UsageError(f"area_min must be above 0 and at most 1, received {area_min}")
        if aspect_max < 1:
            raise UsageError(f"aspect_max must be at least 1, received {aspect_max}")
        self._area_min = area_min
        self._log_aspect_max = math.log(aspect_max)

    def _draw(self, seed: Any) -> Any:
        """float32 [5] in [0, 1): area, aspect, top, left, mirror."""
        return tf.random.stateless_uniform([5], seed)

    def crop_box(self, stored_size: int, seed: Any) -> Any:
        """int32 [4]: top, left, height, width; inside the picture for every seed."""
        area, aspect, top, left, _ = tf.unstack(self._draw(seed))
        area = self._area_min + area * (1.0 - self._area_min)
        log_aspect = (2.0 * aspect - 1.0) * self._log_aspect_max
        side = tf.sqrt(area) * stored_size
        sides = tf.round(side * tf.exp(tf.stack([-0.5, 0.5]) * log_aspect))
        sides = tf.clip_by_value(sides, 1.0, float(stored_size))
        offsets = tf.floor(tf.stack([top, left]) * (stored_size - sides + 1.0))
        return tf.cast(tf.concat([offsets, sides], 0), tf.int32)

    def __call__(self, image: Any, seed: Any) -> Any:
        """The crop resized and mirrored or not; uint8 [image_size, image_size, 3]."""
        resized = tf.image.resize(image, [self.image_size, self.image_size])
        resized = tf.cast(tf.round(resized), tf.uint8)
        mirrored = self._draw(seed)[4] < 0.5
        return tf.cond(mirrored, lambda: tf.reverse(resized, [1]), lambda: resized)
