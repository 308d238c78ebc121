"""Batches as any Keras model takes them: pairs of images and labels."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from catdog.data import order


def labelled_pictures(
    batches: tf.data.Dataset, steps: int, data_dir: str | Path
) -> tf.data.Dataset:
    """(images, labels) of `steps` batches as the pipeline gives them, the padding taken away.

    A record that cannot be used ends the iteration with tf.errors.InvalidArgumentError: whoever
    fits a model of their own would not notice that it is missing.

    Args:
      batches: of `data.pipeline`.
      steps: how many they are.
      data_dir: the data set's folder, for the message.
    """
    check = f"python -m data_tools.verify_tfrecords --data_dir={data_dir} names them"

    def pair(batch: dict[str, Any]) -> tuple[Any, Any]:
        ids = batch["ids"]
        unusable = order.mark(tf.boolean_mask(ids, ids < -1))
        message = [f"damaged records, {check}; their examples' numbers:", unusable]
        with tf.control_dependencies([tf.debugging.Assert(tf.size(unusable) == 0, message)]):
            real = tf.identity(ids) >= 0
        return tf.boolean_mask(batch["images"], real), tf.boolean_mask(batch["labels"], real)

    pairs = batches.map(pair, num_parallel_calls=1, deterministic=True)
    return pairs.apply(tf.data.experimental.assert_cardinality(steps))
