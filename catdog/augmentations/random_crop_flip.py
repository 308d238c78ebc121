"""A random crop, mirrored half of the time: the augmentation of AlexNet.

Source: Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural
networks, NIPS 2012, section 4.1. The original implementation never draws the last of its offsets;
here all of them are equally likely (30 a side for 227 out of 256).
"""

from typing import Any

import tensorflow as tf

from catdog.augmentations._augmentation import Augmentation


class RandomCropFlip(Augmentation):
    """Cuts `image_size` × `image_size` at a uniform offset and mirrors with probability 1/2."""

    def _draw(self, offsets: int, seed: Any) -> Any:
        # One op draws everything: the number of random ops is what this costs (int32 [3]).
        numbers = tf.random.stateless_uniform([3], seed, maxval=None, minval=None, dtype=tf.int32)
        return tf.math.floormod(numbers, tf.constant([offsets, offsets, 2]))

    def crop_box(self, stored_size: int, seed: Any) -> Any:
        """int32 [4]: (top, left, image_size, image_size), each offset equally likely."""
        numbers = self._draw(stored_size - self.image_size + 1, seed)
        return tf.concat([numbers[:2], [self.image_size, self.image_size]], 0)

    def __call__(self, image: Any, seed: Any) -> Any:
        """The crop, mirrored left to right or not; uint8 [image_size, image_size, 3]."""
        mirrored = self._draw(1, seed)[2] == 1
        return tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image)
