"""Brightness, contrast, saturation and hue of each picture changed a little.

Sources: Howard: Some improvements on deep convolutional neural network based image
classification, 2013 (brightness, contrast and colour as factors around 1). Haeberli: Matrix
operations for image processing, 1993 (saturation and hue as matrices). Gray is the luma of
Recommendation ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B.
"""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from catdog.augmentations._augmentation import Augmentation
from catdog.augmentations._pixels import to_uint8
from catdog.errors import UsageError

_GRAY = np.array([0.299, 0.587, 0.114])
# Luma and the two colour differences of BT.601, Y, U = 0.492 (B - Y) and V = 0.877 (R - Y): hue is
# an angle in the plane of U and V, saturation a radius.
_TO_YUV = np.stack([_GRAY, 0.492 * ([0, 0, 1] - _GRAY), 0.877 * ([1, 0, 0] - _GRAY)])
_FROM_YUV = np.linalg.inv(_TO_YUV)


class Colour(Augmentation):
    """Factors from 1 - strength to 1 + strength, uniformly; the hue turned by up to ± `hue`.

    In this order, with one rounding and clipping at the end: hue, saturation (around each pixel's
    gray), contrast (around the picture's mean gray), brightness. Together they are one matrix and
    one offset a picture.

    Args:
      image_size: side of the picture.
      brightness: strength, 0 to 1; 0 leaves it alone.
      contrast: strength, 0 to 1.
      saturation: strength, 0 to 1.
      hue: the largest turn, 0 to 0.5 of a full one.
    """

    def __init__(
        self,
        *,
        image_size: int,
        brightness: float = 0.2,
        contrast: float = 0.2,
        saturation: float = 0.2,
        hue: float = 0.0,
    ) -> None:
        super().__init__(image_size=image_size)
        strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        for name, strength in strengths.items():
            if not 0 <= strength <= 1:
                raise UsageError(f"{name} must be between 0 and 1, received {strength}")
        if not 0 <= hue <= 0.5:
            raise UsageError(f"hue must be between 0 and 0.5 of a turn, received {hue}")
        turn = hue * 2 * math.pi
        self._strengths = np.array([brightness, contrast, saturation, turn], np.float32)

    def __call__(self, image: Any, seed: Any) -> Any:
        """uint8 [image_size, image_size, 3]: changed in float32, rounded and clipped."""
        drawn = tf.random.stateless_uniform([4], seed, minval=-1.0, maxval=1.0) * self._strengths
        brightness, contrast, saturation, angle = tf.unstack(drawn + [1.0, 1.0, 1.0, 0.0])
        cosine, sine = saturation * tf.cos(angle), saturation * tf.sin(angle)
        turn = tf.reshape(tf.stack([cosine, sine, -sine, cosine]), [2, 2])
        # Pixels are rows, so the matrices stand transposed and in the reverse order.
        to_uv, from_uv = np.float32(_TO_YUV[1:].T), np.float32(_FROM_YUV[:, 1:].T)
        colour = np.float32(np.outer(_GRAY, [1, 1, 1])) + to_uv @ turn @ from_uv
        pixels = tf.cast(image, tf.float32)
        gray = tf.tensordot(tf.reduce_mean(pixels, [0, 1]), np.float32(_GRAY), 1)
        pixels = tf.tensordot(pixels, brightness * contrast * colour, 1)
        pixels += brightness * (1.0 - contrast) * gray
        return to_uint8(pixels)
