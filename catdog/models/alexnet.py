"""AlexNet for 227×227 pictures, as one network: 96-256-384-384-256 filters, 4096-4096 units.

Source: Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural
networks, NIPS 2012; without its groups and its local response normalisation, as in the Asirra
tutorial (Sualab, 2018) that `variant=published` follows bug for bug.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from catdog.errors import UsageError
from catdog.models import _layers

VARIANTS = ("fixed", "published")

_FC8 = 7
_AFTER_POOLING = (1, 2, 5)  # conv2, conv3, fc6

# Initial biases of conv1 … conv5, fc6, fc7, fc8 in the original.
_PUBLISHED_BIASES = (0.0, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1, 0.0)
_PUBLISHED_STDDEVS = (0.01, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005, 0.01)


def _published(place: int, seed: int) -> dict[str, Any]:
    weights = _layers.normal(_PUBLISHED_STDDEVS[place], seed)
    return {"initial_weights": weights, "initial_bias": _PUBLISHED_BIASES[place]}


def _fixed(place: int, seed: int) -> dict[str, Any]:
    if place == _FC8:
        # It feeds no ReLU: He's values would give logits far from zero; from zeros the first
        # loss is ln C.
        return {"initial_weights": "zeros", "initial_bias": 0.0}
    # A max pooling about doubles the mean square of what passes (BUILD_NOTES.md has the figures),
    # which He's derivation does not know; half his variance after it keeps the scale.
    variance = 1.0 if place in _AFTER_POOLING else 2.0
    return {"initial_weights": _layers.fan_in_normal(variance, seed), "initial_bias": 0.0}


class AlexNet(keras.Model):
    """AlexNet from uint8 images to float32 logits.

    Args:
      num_classes: C, the number of logits.
      mean: of each channel of the training pictures, 0…255.
      std: the same for the standard deviation.
      seed: of the initial weights.
      dtype: a Keras dtype policy, such as "float32" or "mixed_bfloat16".
      variant: "fixed" scales the input to (x - mean) / std, starts from He's values (half
        his variance after a pooling, zeros in fc8) with zero biases, and has both dropouts;
        "published" keeps the original's (x - mean) / 255, N(0, 0.01²) and N(0, 0.005²) weights,
        0 and 0.1 biases, and its slip: fc8 reads relu7, so that the second dropout is dead.
      width: factor for the number of filters and units, for quick runs; at least 1 of each.
      dropout: rate of both dropouts.

    Raises:
      UsageError: an unknown variant, or a width or rate out of range.
    """

    image_size = 227

    def __init__(
        self,
        *,
        num_classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        seed: int,
        dtype: Any = "float32",
        variant: str = "fixed",
        width: float = 1.0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(name="alexnet", dtype=dtype)
        if variant not in VARIANTS:
            raise UsageError(f"variant must be one of {', '.join(VARIANTS)}, received {variant!r}")
        if width <= 0:
            raise UsageError(f"width must be above 0, received {width}")
        if not 0 <= dropout < 1:
            raise UsageError(f"dropout must be at least 0 and below 1, received {dropout}")
        published = variant == "published"
        self._mean = [float(value) for value in mean]
        self._scale = [255.0] * 3 if published else [max(float(value), 1e-3) for value in std]
        self._second_dropout_alive = not published

        def initial(place: int) -> dict[str, Any]:
            values = _published if published else _fixed
            return {**values(place, (seed * 8 + place) % 2**31), "dtype": dtype}

        def wide(count: int) -> int:
            return max(1, round(count * width))

        conv, fc = _layers.conv_layer, _layers.fc_layer
        self.conv1 = conv("conv1", wide(96), 11, strides=4, padding="valid", **initial(0))
        self.pool1 = _layers.max_pool("pool1", dtype=dtype)
        self.conv2 = conv("conv2", wide(256), 5, **initial(1))
        self.pool2 = _layers.max_pool("pool2", dtype=dtype)
        self.conv3 = conv("conv3", wide(384), 3, **initial(2))
        self.conv4 = conv("conv4", wide(384), 3, **initial(3))
        self.conv5 = conv("conv5", wide(256), 3, **initial(4))
        self.pool5 = _layers.max_pool("pool5", dtype=dtype)
        self.flatten = keras.layers.Flatten(dtype=dtype, name="flatten")
        self.fc6 = fc("fc6", wide(4096), **initial(5))
        self.dropout6 = _layers.Dropout(dropout, salt=6, dtype=dtype, name="dropout6")
        self.fc7 = fc("fc7", wide(4096), **initial(6))
        self.dropout7 = _layers.Dropout(dropout, salt=7, dtype=dtype, name="dropout7")
        self.fc8 = fc("fc8", num_classes, activation=None, **initial(7))

    def call(self, images: Any, seed: Any = None) -> Any:
        """float32 logits [B, C] from uint8 images [B, 227, 227, 3].

        Args:
          images: pictures as decoded, 0…255.
          seed: int64 [2] while training, for the dropouts; None for prediction.
        """
        x = (tf.cast(images, tf.float32) - self._mean) / self._scale
        x = tf.cast(x, self.compute_dtype)
        x = self.conv1(x)  # (B, 227, 227, 3) -> (B, 55, 55, 96)
        x = self.pool1(x)  # (B, 55, 55, 96) -> (B, 27, 27, 96)
        x = self.conv2(x)  # (B, 27, 27, 96) -> (B, 27, 27, 256)
        x = self.pool2(x)  # (B, 27, 27, 256) -> (B, 13, 13, 256)
        x = self.conv3(x)  # (B, 13, 13, 256) -> (B, 13, 13, 384)
        x = self.conv4(x)  # (B, 13, 13, 384) -> (B, 13, 13, 384)
        x = self.conv5(x)  # (B, 13, 13, 384) -> (B, 13, 13, 256)
        x = self.pool5(x)  # (B, 13, 13, 256) -> (B, 6, 6, 256)
        x = self.flatten(x)  # (B, 6, 6, 256) -> (B, 9216)
        x = self.dropout6(self.fc6(x), seed=seed)  # (B, 9216) -> (B, 4096)
        second_seed = seed if self._second_dropout_alive else None
        x = self.dropout7(self.fc7(x), seed=second_seed)  # (B, 4096) -> (B, 4096)
        return tf.cast(self.fc8(x), tf.float32)  # (B, 4096) -> (B, C)
