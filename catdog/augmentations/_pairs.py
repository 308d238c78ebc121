"""Mixing by pairs: what makes a batch's mixtures the same on any number of devices."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Pair = tuple[Any, Any]


def mixed_in_pairs(
    mix_pair: Callable[[Any, Any, Any], Pair], images: Any, targets: Any, seeds: Any
) -> Pair:
    """Images and targets after `mix_pair` of rows 0 and 1, of rows 2 and 3, and so on.

    An epoch's order is a random permutation, so a neighbour is a random partner; and neighbours
    stay together when a batch is cut for devices into parts of an even number of rows. A last row
    without a partner, padding, and whoever is paired with padding, stay as they are.

    Args:
      mix_pair: from uint8 [2, s, s, 3], float32 [2, C] and the first row's seed, int64 [2], to
        images and targets of the same shapes and types.
      images: uint8 [b, s, s, 3], b and s known.
      targets: float32 [b, C].
      seeds: int64 [b, 2]; the second number is -1 for padding.
    """
    pairs = images.shape[0] // 2
    if not pairs:
        return images, targets

    def paired(rows: Any) -> Any:
        return tf.reshape(rows[: 2 * pairs], [pairs, 2, *rows.shape[1:]])

    def mixed(pair: tuple[Any, Any, Any]) -> Pair:
        own_images, own_targets, own_seeds = pair
        return tf.cond(
            tf.reduce_all(own_seeds[:, 1] >= 0),
            lambda: mix_pair(own_images, own_targets, own_seeds[0]),
            lambda: (own_images, own_targets),
        )

    # One pair's floats stay in the processor's cache, which those of a whole batch do not.
    found = tf.map_fn(
        mixed,
        (paired(images), paired(targets), paired(seeds)),
        fn_output_signature=(
            tf.TensorSpec([2, *images.shape[1:]], images.dtype),
            tf.TensorSpec([2, *targets.shape[1:]], targets.dtype),
        ),
    )
    new_images, new_targets = (
        tf.reshape(new, [2 * pairs, *old.shape[1:]])
        for new, old in zip(found, (images, targets), strict=True)
    )
    if 2 * pairs == images.shape[0]:
        return new_images, new_targets
    return (
        tf.concat([new_images, images[2 * pairs :]], 0),
        tf.concat([new_targets, targets[2 * pairs :]], 0),
    )
