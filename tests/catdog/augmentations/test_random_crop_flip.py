"""All offsets and both orientations come, equally often and independently of each other."""

import numpy as np
import pytest
import tensorflow as tf

from catdog.augmentations.random_crop_flip import RandomCropFlip

SIDE = 30  # offsets a side for 227 out of 256
DRAWS = 20 * 2 * SIDE * SIDE


@pytest.fixture(scope="module")
def draws() -> np.ndarray:
    """int [DRAWS, 5]: box and whether mirrored, for one epoch's key and consecutive examples."""
    augmentation = RandomCropFlip(image_size=227)
    marked = tf.constant([[[0], [1]]], tf.uint8)  # one row whose columns tell the orientation

    @tf.function
    def draw_all(seeds: tf.Tensor) -> tf.Tensor:
        def draw(seed: tf.Tensor) -> tf.Tensor:
            mirrored = tf.cast(augmentation(marked, seed)[0, 0], tf.int32)
            return tf.concat([augmentation.crop_box(256, seed), mirrored], 0)

        return tf.map_fn(draw, seeds, fn_output_signature=tf.int32)

    seeds = np.stack([np.full(DRAWS, 6084141021458535187), np.arange(DRAWS)], 1)
    return draw_all(seeds).numpy()


def chi_square(counts: np.ndarray) -> float:
    """Standard deviations between the statistic and its mean, were all cells equally likely."""
    expected = counts.sum() / counts.size
    freedom = counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / (2 * freedom) ** 0.5


def test_crops_are_227_square_at_offsets_0_to_29(draws: np.ndarray) -> None:
    assert (draws[:, 2:4] == 227).all()
    assert set(draws[:, 0]) == set(draws[:, 1]) == set(range(SIDE))


def test_every_offset_comes_in_both_orientations_equally_often(draws: np.ndarray) -> None:
    counts = np.zeros((SIDE, SIDE, 2), int)
    np.add.at(counts, (draws[:, 0], draws[:, 1], draws[:, 4]), 1)
    assert (counts > 0).all(), "30 × 30 offsets, each mirrored and not"
    assert abs(chi_square(counts)) < 3.3
    assert abs(chi_square(counts.sum((0, 1)))) < 3.3
    for axes in ((0, 2), (1, 2)):
        assert abs(chi_square(counts.sum(axes))) < 3.3


def test_one_examples_crops_differ_from_epoch_to_epoch() -> None:
    augmentation = RandomCropFlip(image_size=227)
    boxes = {tuple(augmentation.crop_box(256, [key, 5]).numpy()) for key in range(20)}
    assert len(boxes) > 15


def test_a_picture_of_the_models_size_has_one_crop() -> None:
    box = RandomCropFlip(image_size=227).crop_box(227, tf.constant([3, 4], tf.int64))
    assert box.numpy().tolist() == [0, 0, 227, 227]


def test_the_crop_is_left_as_it_is_or_mirrored() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (227, 227, 3), dtype=np.uint8)
    augmentation = RandomCropFlip(image_size=227)
    for number in range(8):
        found = augmentation(tf.constant(picture), tf.constant([1, number], tf.int64)).numpy()
        assert np.array_equal(found, picture) or np.array_equal(found, picture[:, ::-1])
