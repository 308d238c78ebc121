"""From computed pixels back to what pictures are made of."""

from typing import Any

import tensorflow as tf


def to_uint8(pixels: Any) -> Any:
    """The float32 pixels rounded and clipped to 0…255; same shape, uint8."""
    # tf.saturate_cast would do the same in more passes: it also looks for NaN.
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)
