"""AlexNet for 227×227 pictures: 96-256-384-384-256 filters, 4096-4096 units.

Source: Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural
networks, NIPS 2012. As one network, without its groups and its local response normalisation, it is
that of the Asirra tutorial (Sualab, 2018), which `variant=published` follows bug for bug;
`variant=paper` has both.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from catdog.errors import UsageError
from catdog.models import _layers
from catdog.models._alexnet_variants import VARIANTS

# Fewer pixels a side leave no place behind the last pooling.
_LEAST_SIZE = 67

# Places a side behind the last pooling, of pictures of 227 pixels: fc6 has weights for each.
_PLACES = 6


class AlexNet(keras.Model):
    """AlexNet from uint8 images to float32 logits.

    Variants:
      fixed: scales the input to (x - mean) / std, starts from He's values (half his variance after
        a pooling, zeros in fc8) with zero biases, and has both dropouts.
      published: keeps the original's (x - mean) / 255, N(0, 0.01²) and N(0, 0.005²) weights,
        0 and 0.1 biases, and its slip: fc8 reads relu7, so that the second dropout is dead.
      paper: local response normalisation between ReLU and pooling of conv1 and conv2; conv2, conv4
        and conv5 in two groups; biases 1 in conv2, conv4, conv5, fc6 and fc7, 0 elsewhere; both
        dropouts. Input and the zeros in fc8 are those of `fixed`: with the paper's N(0, 0.01²)
        weights it did not leave chance. The others are He's values, behind a ReLU less the mean of
        each unit's, so that the biases, which all its inputs share, do not drown the picture. It
        wants a low rate and a clipped gradient: 0.002 and 1 or so.
      modern: `fixed` with standardised filters in the convolutions and group normalisation after
        the poolings, where what it has to read is a quarter of what it is before them; layer
        normalisation after fc6 and fc7; and what fc8 reads is scaled to a length of 8, whatever its
        number of units.

    Args:
      num_classes: C, the number of logits.
      mean: of each channel of the training pictures, 0…255.
      std: the same for the standard deviation.
      seed: of the initial weights.
      dtype: a Keras dtype policy, such as "float32" or "mixed_bfloat16".
      variant: one of those above.
      width: factor for the number of filters and units, for quick runs; at least 1 of each (2 in
        `paper`, one for each group).
      dropout: rate of both dropouts.

    Raises:
      UsageError: an unknown variant, or a width or rate out of range.
    """

    image_size = 227

    # Of checkpoints that do not name it.
    former_defaults: ClassVar[dict[str, str]] = {"variant": "fixed"}

    def __init__(
        self,
        *,
        num_classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        seed: int,
        dtype: Any = "float32",
        variant: str = "modern",
        width: float = 1.0,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(name="alexnet", dtype=dtype)
        _check(variant, width, dropout)
        parts = VARIANTS[variant]
        self._mean = [float(value) for value in mean]
        self._scale = parts.input_scale(std)
        self._second_dropout_alive = parts.second_dropout
        self._respond = parts.after_relu
        self._after_fc = parts.after_fc
        self._before_fc8 = parts.before_fc8

        def initial(place: int) -> dict[str, Any]:
            return {**parts.initial(place, (seed * 8 + place) % 2**31), "dtype": dtype}

        def wide(count: int) -> int:
            return parts.multiple * max(1, round(count * width / parts.multiple))

        conv1, conv2, conv3, conv4, conv5 = parts.convs
        fc = _layers.fc_layer
        self.conv1 = conv1("conv1", wide(96), 11, strides=4, padding="valid", **initial(0))
        self.pool1 = _layers.max_pool("pool1", dtype=dtype)
        self.norm1 = parts.after_pool("norm1", dtype)
        self.conv2 = conv2("conv2", wide(256), 5, **initial(1))
        self.pool2 = _layers.max_pool("pool2", dtype=dtype)
        self.norm2 = parts.after_pool("norm2", dtype)
        self.conv3 = conv3("conv3", wide(384), 3, **initial(2))
        self.conv4 = conv4("conv4", wide(384), 3, **initial(3))
        self.conv5 = conv5("conv5", wide(256), 3, **initial(4))
        self.pool5 = _layers.max_pool("pool5", dtype=dtype)
        self.norm5 = parts.after_pool("norm5", dtype)
        self.flatten = keras.layers.Flatten(dtype=dtype, name="flatten")
        self.fc6 = fc("fc6", wide(4096), **initial(5))
        self.dropout6 = _layers.Dropout(dropout, salt=6, dtype=dtype, name="dropout6")
        self.fc7 = fc("fc7", wide(4096), **initial(6))
        self.dropout7 = _layers.Dropout(dropout, salt=7, dtype=dtype, name="dropout7")
        self.fc8 = fc("fc8", num_classes, activation=None, **initial(7))

    def build(self, input_shape: Any) -> None:
        """Nothing; the layers make their weights when the first pictures come."""
        # Keras' own would trace the whole network to find out what is to be made.

    def call(self, images: Any, seed: Any = None) -> Any:
        """float32 logits [B, C] from uint8 images [B, 227, 227, 3].

        Images of another size, from 67 pixels up, are taken too: their last maps are stretched to
        6×6, bilinearly.

        Args:
          images: pictures as decoded, 0…255.
          seed: int64 [4] while training, for the dropouts; None for prediction.

        Raises:
          UsageError: images smaller than that.
        """
        size = min(images.shape[1:3])
        if size < _LEAST_SIZE:
            raise UsageError(f"alexnet takes pictures of {_LEAST_SIZE} pixels and more, not {size}")
        x = _layers.scaled(images, self._mean, self._scale, self.compute_dtype)
        x = self._respond(self.conv1(x))  # (B, 227, 227, 3) -> (B, 55, 55, 96)
        x = self.norm1(self.pool1(x))  # (B, 55, 55, 96) -> (B, 27, 27, 96)
        x = self._respond(self.conv2(x))  # (B, 27, 27, 96) -> (B, 27, 27, 256)
        x = self.norm2(self.pool2(x))  # (B, 27, 27, 256) -> (B, 13, 13, 256)
        x = self.conv3(x)  # (B, 13, 13, 256) -> (B, 13, 13, 384)
        x = self.conv4(x)  # (B, 13, 13, 384) -> (B, 13, 13, 384)
        x = self.conv5(x)  # (B, 13, 13, 384) -> (B, 13, 13, 256)
        x = self.norm5(self.pool5(x))  # (B, 13, 13, 256) -> (B, 6, 6, 256)
        if x.shape[1] != _PLACES:  # of pictures of another size
            x = _layers.stretched(x, _PLACES)  # (B, h, h, 256) -> (B, 6, 6, 256)
        x = self.flatten(x)  # (B, 6, 6, 256) -> (B, 9216)
        x = self._after_fc(self.fc6(x))  # (B, 9216) -> (B, 4096)
        x = self.dropout6(x, seed=seed)
        x = self._after_fc(self.fc7(x))  # (B, 4096) -> (B, 4096)
        x = self.dropout7(x, seed=seed if self._second_dropout_alive else None)
        return tf.cast(self.fc8(self._before_fc8(x)), tf.float32)  # (B, 4096) -> (B, C)


def _check(variant: str, width: float, dropout: float) -> None:
    if variant not in VARIANTS:
        raise UsageError(f"variant must be one of {', '.join(VARIANTS)}, received {variant!r}")
    if width <= 0:
        raise UsageError(f"width must be above 0, received {width}")
    if not 0 <= dropout < 1:
        raise UsageError(f"dropout must be at least 0 and below 1, received {dropout}")
