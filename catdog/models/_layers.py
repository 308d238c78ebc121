"""The layers that the models are made of, with explicit initial values."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


def layer_seeds(seed: int) -> Iterator[int]:
    """Seeds for a model's layers, one after the other; models of other seeds share none.

    That holds for models of up to 1,024 layers.
    """
    return (number % 2**31 for number in itertools.count(seed * 1024))


def deviations(std: Sequence[float]) -> list[float]:
    """What (x - mean) is divided by: `std`, but nothing near 0, as pictures of one colour have."""
    return [max(float(value), 1e-3) for value in std]


def scaled(images: Any, mean: Sequence[float], scale: Sequence[float], dtype: str) -> Any:
    """(images - mean) / scale in `dtype`, computed in float32; uint8 (B, H, W, 3) -> (B, H, W, 3).

    `mean` and `scale` have a number for each channel. Rows of pixels are taken as one axis: a CPU
    is slow with numbers that repeat after three places.
    """
    _, height, width, channels = images.shape
    rows = tf.cast(tf.reshape(images, [-1, height, width * channels]), tf.float32)
    means, scales = (np.tile(np.asarray(each, np.float32), width) for each in (mean, scale))
    across = (rows - means) / scales
    return tf.cast(tf.reshape(across, [-1, height, width, channels]), dtype)


def unchanged(inputs: Any) -> Any:
    """What came in; it stands where a model has no layer."""
    return inputs


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


class Centered(keras.initializers.Initializer):
    """Initial values with the mean of each unit's own weights, over its inputs, taken out.

    What a ReLU or a positive bias adds to all inputs alike then does not pass to the next layer.
    """

    def __init__(self, values: keras.initializers.Initializer) -> None:
        self._values = values

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Values of `shape`, of which the last is the number of units, each unit's sum 0."""
        drawn = self._values(shape, dtype=dtype)
        return drawn - tf.reduce_mean(drawn, axis=list(range(len(shape) - 1)), keepdims=True)


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


def logits_layer(name: str, num_classes: int, *, dtype: Any) -> keras.layers.Dense:
    """The last layer, (B, D) -> (B, C); from zeros, so that the first loss is ln C."""
    return fc_layer(
        name, num_classes, initial_weights="zeros", initial_bias=0.0, activation=None, dtype=dtype
    )


def mean_over_places(inputs: Any) -> Any:
    """The mean of each channel, summed in float32; (B, H, W, C) -> (B, C)."""
    means = tf.reduce_mean(tf.cast(inputs, tf.float32), axis=(1, 2))
    return tf.cast(means, inputs.dtype)


def _places(size: int, count: int) -> NDArray[np.float32]:
    """[count, size]: what each of `count` places takes from `size` old ones, linearly."""
    middles = np.clip((np.arange(count) + 0.5) * size / count - 0.5, 0, size - 1)
    distances = np.abs(middles[:, None] - np.arange(size))
    return np.maximum(1 - distances, 0).astype(np.float32)


def stretched(inputs: Any, size: int) -> Any:
    """Maps of `size` places a side, bilinear; (B, H, W, C) -> (B, size, size, C).

    Where that is their size already they come out as they are. Two products with constants, in the
    type of the maps, so that it runs and has its gradient wherever a product has.
    """
    _, height, width, _ = inputs.shape
    rows, columns = (tf.constant(_places(n, size), inputs.dtype) for n in (height, width))
    return tf.einsum("ih,bhwc,jw->bijc", rows, inputs, columns)


def max_pool(name: str, *, dtype: Any) -> keras.layers.MaxPooling2D:
    """The overlapping pooling of AlexNet, 3×3 with stride 2; (B, H, W, C) -> (B, H', W', C)."""
    return keras.layers.MaxPooling2D(3, strides=2, padding="valid", dtype=dtype, name=name)


class Dropout(keras.layers.Layer):
    """Dropout whose mask depends on the seed and the place in the global batch alone.

    The mask of the whole batch is drawn wherever a part of it is computed, and the part takes its
    rows: the result is the same for any number of devices and micro-batches, where
    keras.layers.Dropout repeats one mask on all.
    """

    def __init__(self, rate: float, *, salt: int, dtype: Any, name: str) -> None:
        super().__init__(dtype=dtype, name=name)
        self._rate = rate
        self._salt = salt

    def call(self, inputs: Any, seed: Any = None) -> Any:
        """(B, D) -> (B, D).

        `seed` switches dropout on, None off: int64 [4], the key, the step, the row of the global
        batch that `inputs` begin with, and the number of its rows.
        """
        if seed is None:
            return inputs
        drawn = tf.random.stateless_uniform(
            tf.stack([seed[3], inputs.shape[1]]), tf.stack([seed[0] + self._salt, seed[1]])
        )
        # XLA compiles a slice whose start alone is unknown; of drawn[a:b] it must know both ends.
        own = tf.slice(drawn, tf.stack([seed[2], 0]), tf.shape(inputs, tf.int64))
        kept = tf.cast(own >= self._rate, inputs.dtype)
        return inputs * kept * tf.cast(1.0 / (1.0 - self._rate), inputs.dtype)


def local_response(inputs: Any) -> Any:
    """Local response normalisation, x / (2 + 1e-4 · Σ x²)^0.75; (B, H, W, C) -> (B, H, W, C).

    The sum goes over a channel and the two on either side of it. Constants and form: Krizhevsky,
    Sutskever, Hinton, NIPS 2012. TensorFlow has no kernel for bfloat16, and a GPU none but for
    float32.
    """
    responses = tf.nn.local_response_normalization(
        tf.cast(inputs, tf.float32), depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75
    )
    return tf.cast(responses, inputs.dtype)


class GroupedConv(keras.layers.Conv2D):
    """A Conv2D with groups, computed as one convolution for each of them.

    Its weights are those of Conv2D: kernel (k, k, C / groups, filters). Conv2D itself computes
    groups in an XLA program of its own, which is slow on CPUs.
    """

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """(B, H, W, C) -> (B, H', W', filters)."""
        parts = zip(
            tf.split(inputs, self.groups, axis=3),
            tf.split(tf.convert_to_tensor(kernel), self.groups, axis=3),
            strict=True,
        )
        padding = self.padding.upper()
        return tf.concat([tf.nn.conv2d(x, k, self.strides, padding) for x, k in parts], axis=3)


def grouped_conv_layer(
    name: str,
    filters: int,
    kernel_size: int,
    *,
    initial_weights: keras.initializers.Initializer | str,
    initial_bias: float,
    dtype: Any,
) -> GroupedConv:
    """A convolution in two groups followed by ReLU; (B, H, W, C) -> (B, H, W, filters)."""
    return GroupedConv(
        filters,
        kernel_size,
        padding="same",
        groups=2,
        activation="relu",
        kernel_initializer=initial_weights,
        bias_initializer=keras.initializers.Constant(initial_bias),
        dtype=dtype,
        name=name,
    )
