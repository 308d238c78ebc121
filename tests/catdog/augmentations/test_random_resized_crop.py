"""The crop's area and aspect stay in their bounds and cover them; the resize is bilinear."""

import math

import numpy as np
import pytest
import tensorflow as tf

from catdog.augmentations.random_resized_crop import RandomResizedCrop
from catdog.errors import UsageError

STORED = 256
DRAWS = 4000


def boxes_of(augmentation: RandomResizedCrop, count: int = DRAWS) -> np.ndarray:
    @tf.function
    def draw_all(seeds: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda seed: augmentation.crop_box(STORED, seed), seeds, fn_output_signature=tf.int32
        )

    return draw_all(np.stack([np.full(count, 77), np.arange(count)], 1)).numpy()


@pytest.fixture(scope="module")
def boxes() -> np.ndarray:
    """int32 [DRAWS, 4] with the options as they are."""
    return boxes_of(RandomResizedCrop(image_size=227))


def test_boxes_lie_inside_the_picture_and_reach_all_its_edges(boxes: np.ndarray) -> None:
    top, left, height, width = boxes.T
    assert top.min() == left.min() == 0
    assert (top + height).max() == (left + width).max() == STORED


def test_area_and_aspect_keep_to_their_bounds_and_fill_them(boxes: np.ndarray) -> None:
    _, _, height, width = boxes.T.astype(float)
    # Sides are whole pixels, so that either may be half a pixel off.
    high = (height + 0.5) * (width + 0.5) / STORED**2
    low = (height - 0.5) * (width - 0.5) / STORED**2
    uncut = (height < STORED) & (width < STORED)  # a side longer than the picture is cut to it
    assert (high[uncut] >= 0.5).all()
    assert (low <= 1).all()
    assert ((width + 0.5) / (height - 0.5) >= 3 / 4).all()
    assert ((width - 0.5) / (height + 0.5) <= 4 / 3).all()
    assert low.min() < 0.52 and high.max() > 0.95
    aspects = np.log(width / height)
    assert aspects.min() < math.log(0.77) and aspects.max() > math.log(1.3)


def test_wide_and_tall_boxes_come_equally_often(boxes: np.ndarray) -> None:
    _, _, height, width = boxes.T
    assert abs((width > height).sum() - (width < height).sum()) < 4 * DRAWS**0.5


def test_options_of_1_cut_nothing() -> None:
    boxes = boxes_of(RandomResizedCrop(image_size=227, area_min=1.0, aspect_max=1.0), 20)
    assert {tuple(box) for box in boxes.tolist()} == {(0, 0, STORED, STORED)}


def test_a_small_area_may_be_asked_for() -> None:
    _, _, height, width = boxes_of(RandomResizedCrop(image_size=227, area_min=0.05), 500).T
    assert 0.04 < (height * width).min() / STORED**2 < 0.08


def test_half_of_the_crops_are_mirrored_and_all_are_resized_bilinearly() -> None:
    augmentation = RandomResizedCrop(image_size=4)
    part = np.array([[0, 200], [100, 50]], np.uint8)[:, :, None].repeat(3, 2)
    # Between two columns (or rows) the four centers lie at -1/4, 1/4, 3/4 and 5/4 of the way.
    weights = np.array([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    plane = np.rint(weights @ part[:, :, 0].astype(float) @ weights.T)
    expected = plane.astype(np.uint8)[:, :, None].repeat(3, 2)
    mirrored = 0
    for number in range(200):
        found = augmentation(tf.constant(part), tf.constant([9, number], tf.int64)).numpy()
        mirrored += np.array_equal(found, expected[:, ::-1])
        assert np.array_equal(found, expected) or np.array_equal(found, expected[:, ::-1])
    assert 65 < mirrored < 135


def test_mirroring_does_not_depend_on_the_box() -> None:
    augmentation = RandomResizedCrop(image_size=2)
    boxes = boxes_of(augmentation, 600)
    part = tf.constant([[[0] * 3, [255] * 3]] * 2, tf.uint8)
    mirrored = np.array(
        [augmentation(part, tf.constant([77, n], tf.int64))[0, 0, 0] > 0 for n in range(600)]
    )
    wide = boxes[:, 3] > boxes[:, 2]
    assert abs(np.corrcoef(wide, mirrored)[0, 1]) < 0.15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"area_min": 0.0}, "area_min must be above 0 and at most 1, received 0.0"),
        ({"area_min": 1.5}, "received 1.5"),
        ({"aspect_max": 0.9}, "aspect_max must be at least 1, received 0.9"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        RandomResizedCrop(image_size=227, **options)
