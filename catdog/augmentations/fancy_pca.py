"""The light of each picture changed along the principal components of our own pixels' colours.

Source: Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural
networks, NIPS 2012, section 4.1: to every pixel of a picture it adds [p1, p2, p3][α1λ1, α2λ2,
α3λ3]ᵀ, where p and λ are eigenvectors and eigenvalues of the covariance of RGB values and α is
drawn from N(0, 0.1²) once a picture.

The units matter, since λ is a variance. Pixels are meant in 0..1: the values that others use for
ImageNet, λ1 = 0.2175 for pixels in 0..1 (fb.resnet.torch) and 55.46 = 255 · 0.2175 for pixels in
0..255 (MXNet's LightingAug), are both of that reading, and move a picture by 5.5 gray levels (one
deviation along p1). Read in 0..255, α1λ1 would be some 1,400.
"""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from catdog.augmentations._augmentation import Augmentation
from catdog.augmentations._pixels import to_uint8
from catdog.errors import UsageError


def scaled_components(covariance: tuple[tuple[float, ...], ...]) -> NDArray[np.float32]:
    """float32 [3, 3]: row i is λi·pi for pixels in 0..255, the largest λ first.

    An eigenvector is one up to its sign; here its entry of the largest size is positive.

    Args:
      covariance: 3 × 3, of RGB values in 0..255.
    """
    values, vectors = np.linalg.eigh(np.array(covariance, np.float64))
    largest = np.abs(vectors).argmax(0)
    vectors *= np.sign(vectors[largest, np.arange(3)])
    # /255² takes the covariance to 0..1, ·255 what is added back to 0..255.
    scaled: NDArray[np.float32] = (vectors * values / 255.0).T[::-1].astype(np.float32)
    return scaled


class FancyPca(Augmentation):
    """Adds one random colour to all pixels of a picture."""

    def __init__(
        self, *, image_size: int, covariance: tuple[tuple[float, ...], ...], stddev: float = 0.1
    ) -> None:
        super().__init__(image_size=image_size)
        if stddev < 0:
            raise UsageError(f"stddev must be at least 0, received {stddev}")
        self._components = scaled_components(covariance)
        self._stddev = stddev

    def __call__(self, image: Any, seed: Any) -> Any:
        """uint8 [image_size, image_size, 3]: the sum in float32, rounded and clipped."""
        alphas = tf.random.stateless_normal([3], seed, stddev=self._stddev)
        colour = tf.linalg.matvec(self._components, alphas, transpose_a=True)
        # Added to whole rows: an addition along the last axis of 3 takes several times as long.
        size = self.image_size
        rows = tf.reshape(tf.cast(image, tf.float32), [size, size * 3])
        return tf.reshape(to_uint8(rows + tf.tile(colour, [size])), [size, size, 3])
