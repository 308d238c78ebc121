"""DenseNet-BC for 224×224 pictures, DenseNet-121 unless told otherwise, with group normalisation.

Source: Huang, Liu, van der Maaten, Weinberger: Densely connected convolutional networks, CVPR 2017:
bottlenecks of four times the growth (B), transitions that halve the channels (C). Group
normalisation and standardised weights stand for its batch normalisation, as in Kolesnikov et al.,
Big Transfer, ECCV 2020.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from catdog.errors import UsageError
from catdog.models import _layers
from catdog.models._normalization import GroupNorm, StandardizedConv

_LEAST_GROWTH = 2  # a filter that sums up one number is 0 once its mean is taken away


def _block_sizes(blocks: str) -> list[int]:
    sizes = blocks.split("-")
    if not all(size.isascii() and size.isdecimal() and int(size) > 0 for size in sizes):
        raise UsageError(
            f"blocks must be layers a block, such as 6-12-24-16 or 2-2, received {blocks!r}"
        )
    if len(sizes) > 5:
        raise UsageError(f"blocks must be 5 at most, each halves the picture; received {blocks!r}")
    return [int(size) for size in sizes]


class DenseNet(keras.Model):
    """DenseNet-BC from uint8 images to float32 logits.

    Args:
      num_classes: C, the number of logits.
      mean: of each channel of the training pictures, 0…255.
      std: the same for the standard deviation.
      seed: of the initial weights.
      dtype: a Keras dtype policy, such as "float32" or "mixed_bfloat16".
      growth: channels that each layer adds; the first convolution makes twice as many.
      blocks: layers of each block; 6-12-24-16 is DenseNet-121, 6-12-32-32 is DenseNet-169.
      width: factor for the growth, of which at least 2 remain.

    Raises:
      UsageError: a growth, width or list of blocks that makes no network.
    """

    image_size = 224

    def __init__(
        self,
        *,
        num_classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        seed: int,
        dtype: Any = "float32",
        growth: int = 32,
        blocks: str = "6-12-24-16",
        width: float = 1.0,
    ) -> None:
        super().__init__(name="densenet", dtype=dtype)
        if growth < 1:
            raise UsageError(f"growth must be at least 1, received {growth}")
        if width <= 0:
            raise UsageError(f"width must be above 0, received {width}")
        sizes = _block_sizes(blocks)
        self._mean = [float(value) for value in mean]
        self._scale = _layers.deviations(std)
        growth = max(_LEAST_GROWTH, round(growth * width))
        seeds = _layers.layer_seeds(seed)

        def conv(name: str, filters: int, kernel_size: int, *, strides: int = 1) -> Any:
            return StandardizedConv(
                filters,
                kernel_size,
                initial_weights=_layers.fan_in_normal(2.0, next(seeds)),
                dtype=dtype,
                name=name,
                strides=strides,
            )

        channels = 2 * growth
        self.conv1 = conv("conv1", channels, 7, strides=2)
        self.blocks = []
        for number, size in enumerate(sizes, 1):
            if number > 1:
                channels //= 2
                self.blocks.append(_Transition(conv, channels, dtype, f"transition{number - 1}"))
            names = [f"block{number}_layer{place}" for place in range(1, size + 1)]
            self.blocks += [_DenseLayer(conv, growth, dtype, name) for name in names]
            channels += size * growth
        self.norm = GroupNorm(dtype=dtype, name="norm")
        self.fc = _layers.logits_layer("fc", num_classes, dtype=dtype)

    def build(self, input_shape: Any) -> None:
        """Nothing; the layers make their weights when the first pictures come."""
        # Keras' own would trace the whole network to find out what is to be made.

    def call(self, images: Any, seed: Any = None) -> Any:
        """float32 logits [B, C] from uint8 images [B, 224, 224, 3], 0…255.

        `seed` is that of the room's contract; nothing here is random.
        """
        x = _layers.scaled(images, self._mean, self._scale, self.compute_dtype)
        x = self.conv1(x)  # (B, 224, 224, 3) -> (B, 112, 112, 64)
        x = tf.nn.max_pool2d(x, 3, 2, "SAME")  # (B, 112, 112, 64) -> (B, 56, 56, 64)
        for block in self.blocks:
            x = block(x)  # in the end (B, 7, 7, 1024)
        x = tf.nn.relu(self.norm(x))
        x = _layers.mean_over_places(x)  # (B, 7, 7, 1024) -> (B, 1024)
        return tf.cast(self.fc(x), tf.float32)  # (B, 1024) -> (B, C)


class _DenseLayer(keras.layers.Layer):
    """x with `growth` more channels, made by 1×1 and 3×3; (B, H, W, C) -> (B, H, W, C + growth)."""

    def __init__(self, conv: Callable[..., Any], growth: int, dtype: Any, name: str) -> None:
        super().__init__(dtype=dtype, name=name)
        self.norm1 = GroupNorm(dtype=dtype, name="norm1")
        self.conv1 = conv("conv1", 4 * growth, 1)
        self.norm2 = GroupNorm(dtype=dtype, name="norm2")
        self.conv2 = conv("conv2", growth, 3)

    def build(self, input_shape: Any) -> None:
        """Nothing, as in the network."""

    def call(self, x: Any) -> Any:
        """The old channels, then the new ones."""
        new = self.conv1(tf.nn.relu(self.norm1(x)))
        new = self.conv2(tf.nn.relu(self.norm2(new)))
        return tf.concat([x, new], axis=3)


class _Transition(keras.layers.Layer):
    """Fewer channels by 1×1, half the sides by averages; (B, H, W, C) -> (B, H/2, W/2, filters)."""

    def __init__(self, conv: Callable[..., Any], filters: int, dtype: Any, name: str) -> None:
        super().__init__(dtype=dtype, name=name)
        self.norm = GroupNorm(dtype=dtype, name="norm")
        self.conv = conv("conv", filters, 1)

    def build(self, input_shape: Any) -> None:
        """Nothing, as in the network."""

    def call(self, x: Any) -> Any:
        """The narrowed x."""
        return tf.nn.avg_pool2d(self.conv(tf.nn.relu(self.norm(x))), 2, 2, "VALID")
