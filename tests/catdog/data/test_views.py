"""Views equal slices taken by hand."""

import numpy as np
import pytest
import tensorflow as tf

from catdog.data import views
from catdog.errors import UsageError


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (3, 256, 256, 3), dtype=np.uint8)


def test_center_crop_starts_at_row_and_column_15(images: np.ndarray) -> None:
    found = views.center_crop(tf.constant(images), 227).numpy()
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, images[None, :, 15:242, 15:242], strict=True)


def test_ten_crop_is_the_corners_the_center_and_their_mirror_images(images: np.ndarray) -> None:
    five = [
        images[:, :227, :227],  # top left
        images[:, :227, 29:],  # top right
        images[:, 29:, :227],  # bottom left
        images[:, 29:, 29:],  # bottom right
        images[:, 15:242, 15:242],  # center
    ]
    expected = np.stack(five + [view[:, :, ::-1] for view in five])
    found = views.ten_crop(tf.constant(images), 227).numpy()
    assert found.shape == (10, 3, 227, 227, 3)
    np.testing.assert_array_equal(found, expected, strict=True)


@pytest.mark.parametrize(
    ("stored", "size", "start"), [(8, 5, 2), (9, 5, 2), (9, 4, 2), (7, 6, 0), (5, 5, 0)]
)
def test_center_crop_halves_the_sides_before_it_subtracts(
    stored: int, size: int, start: int
) -> None:
    image = np.arange(stored * stored, dtype=np.uint8).reshape(1, stored, stored, 1)
    expected = image[None, :, start : start + size, start : start + size]
    np.testing.assert_array_equal(views.center_crop(image, size), expected)
    np.testing.assert_array_equal(views.ten_crop(image, size)[4], expected[0])


def test_pictures_of_the_models_size_are_seen_whole(images: np.ndarray) -> None:
    found = views.ten_crop(tf.constant(images), 256).numpy()
    for view in found[:5]:
        np.testing.assert_array_equal(view, images)
    for view in found[5:]:
        np.testing.assert_array_equal(view, images[:, :, ::-1])


def test_views_are_found_by_name() -> None:
    assert views.find("center") is views.center_crop
    assert views.find("ten") is views.ten_crop
    with pytest.raises(UsageError, match="unknown views 'eleven': choose from center, ten"):
        views.find("eleven")
