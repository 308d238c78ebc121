"""Two pictures exchange a rectangle, or all that is around one, and each keeps the larger part."""

import numpy as np
import pytest
import tensorflow as tf

from catdog.augmentations.cutmix import Cutmix

SIZE = 32
PAIRS = 300


@pytest.fixture(scope="module")
def exchanged() -> np.ndarray:
    """bool [PAIRS, SIZE, SIZE]: where the first of a black and a white picture became white."""
    images = np.zeros((2 * PAIRS, SIZE, SIZE, 3), np.uint8)
    images[1::2] = 255
    seeds = np.stack([np.full(2 * PAIRS, 12), np.arange(2 * PAIRS)], 1)
    targets = tf.tile(tf.eye(2), [PAIRS, 1])
    found, shares = tf.function(Cutmix(image_size=SIZE).mix)(
        tf.constant(images), targets, tf.constant(seeds)
    )
    found = found.numpy()
    assert set(np.unique(found)) == {0, 255}, "pixels are moved and never blended"
    np.testing.assert_array_equal(found[1::2], 255 - found[::2])
    white = found[::2, :, :, 0] > 0
    np.testing.assert_array_equal(found[::2].all(-1), white)
    np.testing.assert_allclose(shares[::2, 1], white.mean((1, 2)), atol=1e-6)
    return white


def is_box(mask: np.ndarray) -> bool:
    rows, columns = mask.any(1), mask.any(0)
    return np.array_equal(mask, rows[:, None] & columns[None]) and all(
        np.diff(np.flatnonzero(edge)).max(initial=1) == 1 for edge in (rows, columns)
    )


def test_what_is_exchanged_is_a_box_or_what_is_around_one(exchanged: np.ndarray) -> None:
    inside = [is_box(mask) for mask in exchanged]
    assert all(box or is_box(~mask) for box, mask in zip(inside, exchanged, strict=True))
    assert 0.05 < 1 - np.mean(inside) < 0.5, "boxes larger than half of the picture come too"


def test_boxes_are_as_large_as_numpy_draws_them(exchanged: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    share, row, column = rng.random((3, 100_000))
    sides = [
        (center + share**0.5 / 2).clip(0, 1) - (center - share**0.5 / 2).clip(0, 1)
        for center in (row, column)
    ]
    area = sides[0] * sides[1]
    expected = np.minimum(area, 1 - area)
    found = exchanged.mean((1, 2))
    assert abs(found.mean() - expected.mean()) < 4 * expected.std() / PAIRS**0.5
    assert found.max() <= 0.5


def test_every_place_is_exchanged_at_times(exchanged: np.ndarray) -> None:
    assert exchanged.any(0).all()
    assert not exchanged.all(0).any()


def test_what_comes_into_a_picture_is_the_others_same_place() -> None:
    images = np.random.default_rng(2).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    seeds = tf.constant([[1, 2], [1, 3]], tf.int64)
    found = Cutmix(image_size=SIZE).mix(tf.constant(images), tf.eye(2), seeds)[0].numpy()
    for row in range(2):
        own = (found[row] == images[row]).all(-1)
        other = (found[row] == images[1 - row]).all(-1)
        assert (own | other).all()
        assert own.any() and other.any()
