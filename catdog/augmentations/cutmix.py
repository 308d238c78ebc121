"""A box of each picture replaced by the same box of its neighbour, the targets by its area.

Source: Yun et al.: CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
Features, ICCV 2019; the share is from Beta(1, 1), which is uniform, and the box is cut at the
picture's edges before its area counts.
"""

from typing import Any

import tensorflow as tf

from catdog.augmentations import _pairs
from catdog.augmentations._augmentation import Augmentation


class Cutmix(Augmentation):
    """Exchanges one box between the two pictures of a pair.

    A box of more than half of the area is kept and what is around it exchanged. That gives the
    same two mixtures, in the order that keeps each nearer to its row's own label.
    """

    def _mix_pair(self, images: Any, targets: Any, seed: Any) -> _pairs.Pair:
        size = self.image_size
        share, row, column = tf.unstack(tf.random.stateless_uniform([3], seed))
        half = 0.5 * size * tf.sqrt(share)
        edges = []
        for center in (size * row, size * column):
            first = tf.clip_by_value(tf.round(center - half), 0.0, float(size))
            last = tf.clip_by_value(tf.round(center + half), 0.0, float(size))
            edges.append((tf.cast(first, tf.int32), tf.cast(last, tf.int32)))
        (top, bottom), (left, right) = edges
        area = tf.cast((bottom - top) * (right - left), tf.float32) / size**2

        def pasted(outer: Any, inner: Any) -> Any:
            # Cut and joined, since that is copied by rows; a mask goes over single bytes.
            across = [outer[top:bottom, :left], inner[top:bottom, left:right]]
            across = tf.concat([*across, outer[top:bottom, right:]], 1)
            return tf.ensure_shape(tf.concat([outer[:top], across, outer[bottom:]], 0), outer.shape)

        first, second = tf.unstack(images)
        mixed = [pasted(first, second), pasted(second, first)]
        mixed = tf.cond(area > 0.5, lambda: tf.stack(mixed[::-1]), lambda: tf.stack(mixed))
        other = tf.minimum(area, 1.0 - area)
        return mixed, (1.0 - other) * targets + other * tf.reverse(targets, [0])

    def mix(self, images: Any, targets: Any, seeds: Any) -> _pairs.Pair:
        """uint8 [b, image_size, image_size, 3] and float32 [b, C], mixed in pairs."""
        return _pairs.mixed_in_pairs(self._mix_pair, images, targets, seeds)
