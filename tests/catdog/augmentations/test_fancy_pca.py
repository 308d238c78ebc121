"""The colour that is added is the one that numpy finds from the covariance and the same draws."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog import schema
from catdog.augmentations.fancy_pca import FancyPca, scaled_components
from catdog.errors import UsageError

SIZE = 40

# As published for ImageNet's pixels in 0…1: eigenvalues, and eigenvectors as columns.
IMAGENET_VALUES = np.array([0.2175, 0.0188, 0.0045])
IMAGENET_VECTORS = np.array(
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Pictures whose channels go together: float [N, 3], whole numbers in 0…255."""
    rng = np.random.default_rng(3)
    gray = rng.normal(120, 50, (20_000, 1))
    return np.rint(gray + rng.normal([10, 0, -10], [20, 10, 15], (20_000, 3))).clip(0, 255)


@pytest.fixture(scope="module")
def covariance(pixels: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """As a manifest gives it, from exact sums."""
    whole = pixels.astype(np.int64)
    sums = schema.Sums(
        pixels=len(whole),
        sum=tuple(whole.sum(0).tolist()),
        products=tuple(map(tuple, (whole.T @ whole).tolist())),
    )
    return schema.statistics(sums).covariance


def test_a_picture_equals_numpys(pixels: np.ndarray, covariance: Any) -> None:
    """By way of the singular values of the centered pixels, which needs no covariance."""
    centered = (pixels - pixels.mean(0)) / 255
    _, singular, directions = np.linalg.svd(centered, full_matrices=False)
    variances = singular**2 / len(pixels)
    signs = [np.sign(row[np.abs(row).argmax()]) for row in directions]
    picture = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    augmentation = FancyPca(image_size=SIZE, covariance=covariance)
    shifts = []
    for number in range(20):
        alphas = tf.random.stateless_normal([3], [4, number], stddev=0.1).numpy()
        shift = 255 * sum(
            alpha * variance * sign * direction
            for alpha, variance, sign, direction in zip(
                alphas, variances, signs, directions, strict=True
            )
        )
        shifts.append(shift)
        expected = np.rint(picture + shift).clip(0, 255)
        found = augmentation(tf.constant(picture), tf.constant([4, number], tf.int64)).numpy()
        np.testing.assert_array_equal(found, expected)
    assert np.abs(shifts).max() > 1, "a whole gray level at least, or there is nothing to see"


def test_imagenets_covariance_gives_the_published_components() -> None:
    covariance = IMAGENET_VECTORS * IMAGENET_VALUES @ IMAGENET_VECTORS.T * 255**2
    found = scaled_components(tuple(map(tuple, covariance)))
    # In 0…255 the published factors are 55.46, 4.794 and 1.148.
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [55.46, 4.794, 1.148], atol=0.02)
    signs = np.sign(IMAGENET_VECTORS[np.abs(IMAGENET_VECTORS).argmax(0), range(3)])
    expected = (IMAGENET_VECTORS * signs * 255 * IMAGENET_VALUES).T
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_components_do_not_depend_on_the_sign_that_a_library_picks(covariance: Any) -> None:
    found = scaled_components(covariance)
    for row in found:
        assert row[np.abs(row).argmax()] > 0
    assert (np.diff(np.linalg.norm(found, axis=1)) < 0).all(), "the largest comes first"


def test_gray_pictures_are_moved_along_gray_alone() -> None:
    covariance = ((900.0,) * 3,) * 3
    picture = np.full((SIZE, SIZE, 3), 100, np.uint8)
    augmentation = FancyPca(image_size=SIZE, covariance=covariance, stddev=3.0)
    for number in range(10):
        found = augmentation(tf.constant(picture), tf.constant([4, number], tf.int64)).numpy()
        assert found.max() == found.min()


def test_a_stddev_of_0_changes_nothing(covariance: Any) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    augmentation = FancyPca(image_size=SIZE, covariance=covariance, stddev=0.0)
    found = augmentation(tf.constant(picture), tf.constant([4, 1], tf.int64))
    np.testing.assert_array_equal(found, picture)


def test_a_negative_stddev_is_refused(covariance: Any) -> None:
    with pytest.raises(UsageError, match="stddev must be at least 0, received -0.1"):
        FancyPca(image_size=SIZE, covariance=covariance, stddev=-0.1)
