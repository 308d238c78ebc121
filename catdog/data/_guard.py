"""A record that cannot be used costs its own place in a batch, and neither the batch nor the run.

A tf.data pipeline ends with the first error, and whoever takes several steps in one call loses them
all. So a batch is decoded as a whole first; only where that fails are its records taken one by one,
and those that fail again become blank.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from catdog import schema
from catdog.data import order

Element = dict[str, Any]
Decode = Callable[[Any, Any, Any], tuple[Element, Any]]

# Batches that are decoded at the same time: while one waits for its last record, the next begins.
_BATCHES = 2


def sound_jpeg(encoded: Any, label: Any, *, stored_size: int, num_classes: int) -> Any:
    """`encoded` where its header states the stored size, it ends as a JPEG does and the label is a
    class; fails elsewhere.

    Decoding a part of a larger or a cut picture, and the one-hot row of a label that is no class,
    would go well and be wrong.
    """
    shape = tf.image.extract_jpeg_shape(encoded)
    right = tf.reduce_all(shape == [stored_size, stored_size, 3])
    whole = tf.strings.substr(encoded, -2, 2) == schema.JPEG_END
    known = (label >= 0) & (label < num_classes)
    message = ["size, end or label of a record", shape, whole, label]
    with tf.control_dependencies([tf.debugging.Assert(right & whole & known, message)]):
        return tf.identity(encoded)


def _blank(size: int) -> Decode:
    """What takes the place of a record that cannot be used; see `batches`."""

    def blank(record: Any, index: Any, pixel_seed: Any) -> tuple[Element, Any]:
        del record
        element = {
            "images": tf.zeros([size, size, 3], tf.uint8),
            "labels": tf.constant(0, tf.int32),
            # Padding repeats a record of the epoch, so a bad one is marked at its own place too.
            "ids": tf.where(index < 0, index, order.mark(index)),
            "weights": tf.constant(0.0),
        }
        return element, tf.stack([pixel_seed, index])

    return blank


def _one_or_blank(decode: Decode, blank: Decode) -> Decode:
    def decoded(*record: Any) -> Any:
        one = tf.data.Dataset.from_tensors(record)
        tried = one.map(decode).ignore_errors().concatenate(one.map(blank))
        return tried.take(1).get_single_element()

    return decoded


def batches(
    records: tf.data.Dataset, decode: Decode, *, size: int, batch_size: int, threads: int
) -> tf.data.Dataset:
    """Batches of what `decode` makes of (encoded record, id, pixel seed), in order.

    Where it fails the picture is black, label and weight are 0, and the id is `order.mark` of the
    record's own.

    Args:
      records: their number is a multiple of `batch_size`.
      decode: gives the element, with "images" of `size` × `size` pixels, and its seed.
      size: of the blank picture.
      batch_size: records in each batch.
      threads: records decoded at the same time, or tf.data.AUTOTUNE.
    """
    one_by_one = _one_or_blank(decode, _blank(size))

    def whole(*batch: Any) -> Any:
        rows = tf.data.Dataset.from_tensor_slices(batch)
        decoded = rows.map(decode, num_parallel_calls=threads, deterministic=True)
        # After an error the rest of the rows is too few for a batch, so nothing comes of them.
        tried = decoded.batch(batch_size, drop_remainder=True).ignore_errors()
        again = rows.map(one_by_one).batch(batch_size, drop_remainder=True)
        return tried.concatenate(again).take(1).get_single_element()

    grouped = records.batch(batch_size, drop_remainder=True)
    return grouped.map(whole, num_parallel_calls=_BATCHES, deterministic=True)
