"""The layers that the models are made of, with explicit initial values."""

from typing import Any

import keras
import tensorflow as tf


def normal(stddev: float, seed: int) -> keras.initializers.Initializer:
    """Initial values from N(0, stddev²); the same seed gives the same values."""
    return keras.initializers.RandomNormal(stddev=stddev, seed=seed)


def fan_in_normal(variance: float, seed: int) -> keras.initializers.Initializer:
    """Initial values of the variance `variance` / fan in, cut at two deviations.

    2 is what keeps the scale through a layer with ReLU (He et al., ICCV 2015).
    """
    return keras.initializers.VarianceScaling(
        scale=variance, mode="fan_in", distribution="truncated_normal", seed=seed
    )


def conv_layer(
    name: str,
    filters: int,
    kernel_size: int,
    *,
    initial_weights: keras.initializers.Initializer | str,
    initial_bias: float,
    dtype: Any,
    strides: int = 1,
    padding: str = "same",
) -> keras.layers.Conv2D:
    """A convolution followed by ReLU; (B, H, W, C) -> (B, H', W', filters)."""
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        activation="relu",
        kernel_initializer=initial_weights,
        bias_initializer=keras.initializers.Constant(initial_bias),
        dtype=dtype,
        name=name,
    )


def fc_layer(
    name: str,
    units: int,
    *,
    initial_weights: keras.initializers.Initializer | str,
    initial_bias: float,
    dtype: Any,
    activation: str | None = "relu",
) -> keras.layers.Dense:
    """A fully connected layer; (B, D) -> (B, units)."""
    return keras.layers.Dense(
        units,
        activation=activation,
        kernel_initializer=initial_weights,
        bias_initializer=keras.initializers.Constant(initial_bias),
        dtype=dtype,
        name=name,
    )


def max_pool(name: str, *, dtype: Any) -> keras.layers.MaxPooling2D:
    """The overlapping pooling of AlexNet, 3×3 with stride 2; (B, H, W, C) -> (B, H', W', C)."""
    return keras.layers.MaxPooling2D(3, strides=2, padding="valid", dtype=dtype, name=name)


class Dropout(keras.layers.Layer):
    """Dropout whose mask depends on (seed, position in the global batch) alone.

    The mask of the whole batch is drawn on every replica, and each takes its rows: the result is
    the same for any number of devices, where keras.layers.Dropout repeats one mask on all.
    """

    def __init__(self, rate: float, *, salt: int, dtype: Any, name: str) -> None:
        super().__init__(dtype=dtype, name=name)
        self._rate = rate
        self._salt = salt

    def call(self, inputs: Any, seed: Any = None) -> Any:
        """(B, D) -> (B, D); `seed` int64 [2] switches dropout on, None off."""
        if seed is None:
            return inputs
        context = tf.distribute.get_replica_context()
        rows = tf.shape(inputs)[0]
        drawn = tf.random.stateless_uniform(
            [rows * context.num_replicas_in_sync, inputs.shape[1]],
            tf.stack([seed[0] + self._salt, seed[1]]),
        )
        first = rows * tf.cast(context.replica_id_in_sync_group, tf.int32)
        kept = tf.cast(drawn[first : first + rows] >= self._rate, inputs.dtype)
        return inputs * kept * tf.cast(1.0 / (1.0 - self._rate), inputs.dtype)
