"""Each picture blended with its neighbour in the batch, and the targets with it.

Source: Zhang, Cisse, Dauphin, Lopez-Paz: mixup: Beyond Empirical Risk Minimization, ICLR 2018;
for ImageNet they draw the share from Beta(0.2, 0.2).
"""

from typing import Any

import tensorflow as tf

from catdog.augmentations import _pairs
from catdog.augmentations._augmentation import Augmentation
from catdog.errors import UsageError


class Mixup(Augmentation):
    """Both pictures of a pair as a·own + (1 - a)·other; a is λ or 1 - λ, λ ~ Beta(alpha, alpha).

    The larger of the two is taken. That gives the same two mixtures, in the order that keeps each
    nearer to its row's own label, so that an accuracy counted against labels keeps a meaning.
    """

    def __init__(self, *, image_size: int, alpha: float = 0.2) -> None:
        super().__init__(image_size=image_size)
        if alpha <= 0:
            raise UsageError(f"alpha must be above 0, received {alpha}")
        self._alpha = alpha

    def _mix_pair(self, images: Any, targets: Any, seed: Any) -> _pairs.Pair:
        # X / (X + Y) is from Beta(a, a) when X and Y are from Gamma(a).
        gammas = tf.random.stateless_gamma([2], seed, self._alpha)
        own = tf.reduce_max(gammas) / tf.reduce_sum(gammas)
        first, second = tf.unstack(images)
        to_first = tf.cast(second, tf.float32)
        to_first += own * (tf.cast(first, tf.float32) - to_first)
        mixed = tf.cast(tf.round(to_first), tf.uint8)
        # Both mixtures together are both pictures together, so the other one needs no floats.
        mixed = tf.stack([mixed, first + second - mixed])
        return mixed, own * targets + (1.0 - own) * tf.reverse(targets, [0])

    def mix(self, images: Any, targets: Any, seeds: Any) -> _pairs.Pair:
        """uint8 [b, image_size, image_size, 3] and float32 [b, C], mixed in pairs."""
        return _pairs.mixed_in_pairs(self._mix_pair, images, targets, seeds)
