"""ResNet-18 and ResNet-34 for 224×224 pictures, with group normalisation.

Sources: He et al., Deep residual learning for image recognition, CVPR 2016 (stages, blocks); He et
al., Identity mappings in deep residual networks, ECCV 2016 (what is normalised comes before the
convolutions, the sum stays as it is); Kolesnikov et al., Big Transfer, ECCV 2020 (group
normalisation and standardised weights instead of batch normalisation).
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from catdog.errors import UsageError
from catdog.models import _layers
from catdog.models._normalization import GroupNorm, StandardizedConv

# Blocks of each stage; the stages have 64, 128, 256 and 512 filters.
_STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}

_LEAST_FILTERS = 4  # a filter that sums up one number is 0 once its mean is taken away


class ResNet(keras.Model):
    """A pre-activation ResNet of basic blocks, from uint8 images to float32 logits.

    Args:
      num_classes: C, the number of logits.
      mean: of each channel of the training pictures, 0…255.
      std: the same for the standard deviation.
      seed: of the initial weights.
      dtype: a Keras dtype policy, such as "float32" or "mixed_bfloat16".
      depth: 18 or 34, the layers with a kernel on the longest way.
      width: factor for the number of filters, of which at least 4 remain.

    Raises:
      UsageError: another depth, or a width that is not above 0.
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
        depth: int = 18,
        width: float = 1.0,
    ) -> None:
        super().__init__(name="resnet", dtype=dtype)
        if depth not in _STAGES:
            raise UsageError(f"depth must be 18 or 34, received {depth}")
        if width <= 0:
            raise UsageError(f"width must be above 0, received {width}")
        self._mean = [float(value) for value in mean]
        self._scale = _layers.deviations(std)
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

        def wide(count: int) -> int:
            return max(_LEAST_FILTERS, round(count * width))

        self.conv1 = conv("conv1", wide(64), 7, strides=2)
        self.blocks = []
        for stage, count in enumerate(_STAGES[depth]):
            for place in range(count):
                narrows = stage > 0 and place == 0
                name = f"stage{stage + 1}_block{place + 1}"
                self.blocks.append(_Block(conv, wide(64 << stage), narrows, dtype, name))
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
            x = block(x)  # in the end (B, 7, 7, 512)
        x = tf.nn.relu(self.norm(x))
        x = _layers.mean_over_places(x)  # (B, 7, 7, 512) -> (B, 512)
        return tf.cast(self.fc(x), tf.float32)  # (B, 512) -> (B, C)


class _Block(keras.layers.Layer):
    """x plus two convolutions of 3×3, each after normalisation and ReLU.

    (B, H, W, C) -> (B, H, W, C), or to (B, H/2, W/2, filters) where it narrows: then x goes
    through a convolution of 1×1, after the first normalisation and ReLU.
    """

    def __init__(
        self, conv: Callable[..., Any], filters: int, narrows: bool, dtype: Any, name: str
    ) -> None:
        super().__init__(dtype=dtype, name=name)
        strides = 2 if narrows else 1
        self.norm1 = GroupNorm(dtype=dtype, name="norm1")
        self.conv1 = conv("conv1", filters, 3, strides=strides)
        self.norm2 = GroupNorm(dtype=dtype, name="norm2")
        self.conv2 = conv("conv2", filters, 3)
        self.shortcut = conv("shortcut", filters, 1, strides=strides) if narrows else None

    def build(self, input_shape: Any) -> None:
        """Nothing, as in the network."""

    def call(self, x: Any) -> Any:
        """The sum of the two ways through the block."""
        active = tf.nn.relu(self.norm1(x))
        residual = self.conv1(active)
        residual = self.conv2(tf.nn.relu(self.norm2(residual)))
        return residual + (x if self.shortcut is None else self.shortcut(active))
