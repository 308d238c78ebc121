"""Layers that keep the scale of what passes, each picture by itself.

None has running averages, so a result is the same for any batch, part of a batch or device.
"""

import math
from typing import Any

import keras
import tensorflow as tf

# The standard deviation of relu(z) for z from N(0, 1) is sqrt(1/2 - 1/(2 pi)). Filters of the
# inverse length keep the deviation through a layer with ReLU (Brock, De, Smith: Characterizing
# signal propagation to close the performance gap in unnormalized ResNets, ICLR 2021).
RELU_GAIN = (0.5 - 0.5 / math.pi) ** -0.5

# The least squared length of a filter, as in that paper.
_LEAST_SQUARES = 1e-4

_CHANNELS_PER_GROUP = 16

# Added to a variance under a root: a group of channels may be constant.
_EPSILON = 1e-5


def standardized(kernel: Any, gain: Any) -> Any:
    """The kernel with each filter moved to mean 0 and scaled to the length `gain`.

    Args:
      kernel: float32 (k, k, C, filters).
      gain: float32 (filters).
    """
    centred = kernel - tf.reduce_mean(kernel, axis=(0, 1, 2), keepdims=True)
    squares = tf.reduce_sum(tf.square(centred), axis=(0, 1, 2))
    return centred * (gain * tf.math.rsqrt(tf.maximum(squares, _LEAST_SQUARES)))


def normalized_features(inputs: Any) -> Any:
    """(x - mean) / deviation over the features of each picture; (B, D) -> (B, D).

    Layer normalisation (Ba, Kiros, Hinton, 2016) without a gain and a bias of its own: the layer
    behind it has both. Statistics are float32 whatever the type.
    """
    x = tf.cast(inputs, tf.float32)
    x -= tf.reduce_mean(x, axis=1, keepdims=True)
    variance = tf.reduce_mean(tf.square(x), axis=1, keepdims=True)
    return tf.cast(x * tf.math.rsqrt(variance + _EPSILON), inputs.dtype)


def groups_of(channels: int) -> int:
    """How many groups `GroupNorm` makes: as many as divide the channels into 16 or more each."""
    most = max(1, channels // _CHANNELS_PER_GROUP)
    return next(groups for groups in range(most, 0, -1) if channels % groups == 0)


class StandardizedConv(keras.layers.Layer):
    """A convolution with standardised filters, each with a gain that is learned.

    Source: Qiao et al., Weight standardization, 2019, in the scaled form of Brock et al., ICLR
    2021. The statistics are those of the weights: next to a convolution they cost little. Filters
    of mean 0 do not see what their inputs have in common, such as the mean that a ReLU leaves.
    `initial_bias` None stands for no bias.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        *,
        initial_weights: keras.initializers.Initializer | str,
        dtype: Any,
        name: str,
        strides: int = 1,
        padding: str = "same",
        activation: str | None = None,
        initial_bias: float | None = None,
    ) -> None:
        super().__init__(dtype=dtype, name=name)
        self._filters = filters
        self._kernel_size = kernel_size
        self._initial_weights = initial_weights
        self._strides = strides
        self._padding = padding.upper()
        self._activation = keras.activations.get(activation)
        self._initial_bias = initial_bias

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs of this shape."""
        shape = (self._kernel_size, self._kernel_size, input_shape[-1], self._filters)
        # Without autocast a bfloat16 model standardises in float32 still.
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=self._initial_weights, autocast=False
        )
        self.gain = self.add_weight(
            name="gain",
            shape=shape[-1:],
            initializer=keras.initializers.Constant(RELU_GAIN),
            autocast=False,
        )
        if self._initial_bias is not None:
            self.bias = self.add_weight(
                name="bias",
                shape=shape[-1:],
                initializer=keras.initializers.Constant(self._initial_bias),
            )

    def call(self, inputs: Any) -> Any:
        """(B, H, W, C) -> (B, H', W', filters)."""
        kernel = standardized(tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.gain))
        kernel = tf.cast(kernel, inputs.dtype)
        strides = self._strides
        if self._kernel_size == 1 and strides > 1:
            # The same places. In the filters' gradient of such a convolution oneDNN, as TensorFlow
            # 2.21 has it, writes beyond its buffer on AVX-512 unless channels are multiples of 16.
            inputs, strides = inputs[:, ::strides, ::strides], 1
        outputs = tf.nn.conv2d(inputs, kernel, strides, self._padding)
        if self._initial_bias is not None:
            outputs = tf.nn.bias_add(outputs, tf.cast(self.bias, outputs.dtype))
        return self._activation(outputs)


class GroupNorm(keras.layers.Layer):
    """Group normalisation: (x - mean) / deviation · gain + bias over groups of channels.

    Source: Wu, He: Group normalization, ECCV 2018, with the groups of 16 channels that their
    table 3 finds as good as 32 groups (see `groups_of`). Statistics are float32 whatever the
    policy.
    """

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs of this shape."""
        channels = input_shape[-1]
        self._groups = groups_of(channels)
        self.gain = self.add_weight(
            name="gain", shape=(channels,), initializer="ones", autocast=False
        )
        self.bias = self.add_weight(
            name="bias", shape=(channels,), initializer="zeros", autocast=False
        )

    def _over_group(self, sums: Any, places: int) -> Any:
        """The mean of each group, (B, groups, 1), from the sums over all places, (B, C)."""
        grouped = tf.reshape(sums, (-1, self._groups, sums.shape[1] // self._groups))
        return tf.reduce_sum(grouped, axis=2, keepdims=True) / (places * grouped.shape[2])

    def call(self, inputs: Any) -> Any:
        """(B, H, W, C) -> (B, H, W, C)."""
        x = tf.cast(inputs, tf.float32)
        _, height, width, channels = inputs.shape
        # Two sums, a square, a product and a sum read whole pictures; all else is (B, C) or less.
        # Sums, not means: a mean's gradient is divided once more at every place.
        mean = self._over_group(tf.reduce_sum(x, axis=(1, 2)), height * width)
        square = self._over_group(tf.reduce_sum(tf.square(x), axis=(1, 2)), height * width)
        variance = tf.maximum(square - tf.square(mean), 0.0)
        gain, bias = (tf.reshape(w, (self._groups, -1)) for w in (self.gain, self.bias))
        scale = gain * tf.math.rsqrt(variance + _EPSILON)  # (B, groups, C / groups)
        shift = bias - mean * scale
        outputs = x * tf.reshape(scale, (-1, 1, 1, channels))
        outputs += tf.reshape(shift, (-1, 1, 1, channels))
        return tf.cast(outputs, inputs.dtype)


def standardized_conv_layer(
    name: str,
    filters: int,
    kernel_size: int,
    *,
    initial_weights: keras.initializers.Initializer | str,
    initial_bias: float,
    dtype: Any,
    strides: int = 1,
    padding: str = "same",
) -> StandardizedConv:
    """A standardised convolution, a bias and ReLU; (B, H, W, C) -> (B, H', W', filters)."""
    return StandardizedConv(
        filters,
        kernel_size,
        initial_weights=initial_weights,
        dtype=dtype,
        name=name,
        strides=strides,
        padding=padding,
        activation="relu",
        initial_bias=initial_bias,
    )
