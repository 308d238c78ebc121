"""Mixtures are the weighted means that numpy takes, by shares that follow Beta(alpha, alpha)."""

import numpy as np
import pytest
import tensorflow as tf

from catdog.augmentations.mixup import Mixup
from catdog.errors import UsageError

SIZE = 8
PAIRS = 1500


def shares(alpha: float) -> np.ndarray:
    """float32 [PAIRS]: the own share of the first of each pair."""
    images = tf.zeros([2 * PAIRS, 1, 1, 3], tf.uint8)
    targets = tf.tile(tf.eye(2), [PAIRS, 1])
    seeds = np.stack([np.full(2 * PAIRS, 12), np.arange(2 * PAIRS)], 1)
    found = tf.function(Mixup(image_size=1, alpha=alpha).mix)(images, targets, tf.constant(seeds))
    return found[1].numpy()[::2, 0]


def test_images_are_weighted_means_of_both_rounded() -> None:
    images = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8)
    seeds = tf.constant([[7, number] for number in range(8)], tf.int64)
    found, targets = Mixup(image_size=SIZE, alpha=1.0).mix(images, tf.eye(8), seeds)
    for row in range(8):
        other = row ^ 1
        share = targets[row, row].numpy()
        assert 0.5 <= share < 1
        np.testing.assert_allclose(targets[row, other], 1 - share, atol=1e-6)
        mean = share * images[row].astype(float) + (1 - share) * images[other]
        np.testing.assert_allclose(found[row].numpy(), mean, atol=0.501)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_shares_are_the_larger_side_of_a_beta_distribution(alpha: float) -> None:
    """Against numpy's own beta generator."""
    found = shares(alpha)
    drawn = np.random.default_rng(5).beta(alpha, alpha, 200_000)
    expected = np.maximum(drawn, 1 - drawn)
    error = expected.std() / PAIRS**0.5
    assert abs(found.mean() - expected.mean()) < 4 * error
    assert abs((found < 0.6).mean() - (expected < 0.6).mean()) < 4 * 0.5 / PAIRS**0.5


def test_a_tiny_alpha_gives_shares_that_are_numbers() -> None:
    found = shares(1e-3)
    assert np.isfinite(found).all()
    assert found.min() >= 0.5


def test_an_alpha_of_0_is_refused() -> None:
    with pytest.raises(UsageError, match="alpha must be above 0, received 0.0"):
        Mixup(image_size=SIZE, alpha=0.0)
