"""Colours change as Pillow and formulas by hand change them, by factors that fill their bounds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from catdog.augmentations.colour import Colour
from catdog.errors import UsageError

SIZE = 48
NONE = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
}


def drawn(number: int) -> np.ndarray:
    """The four numbers in [-1, 1) for brightness, contrast, saturation and hue."""
    return tf.random.stateless_uniform([4], [3, number], minval=-1.0, maxval=1.0).numpy()


def changed(picture: np.ndarray, number: int, **strengths: float) -> np.ndarray:
    augmentation = Colour(image_size=SIZE, **NONE | strengths)
    return augmentation(tf.constant(picture), tf.constant([3, number], tf.int64)).numpy()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Smooth colours, none of which is clipped by a change of a fifth."""
    coarse = np.random.default_rng(0).integers(60, 180, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((SIZE, SIZE)))


@pytest.mark.parametrize("place", range(3))
def test_each_change_equals_pillows(picture: np.ndarray, place: int) -> None:
    name = list(ENHANCERS)[place]
    for number in range(5):
        factor = 1 + 0.2 * drawn(number)[place]
        enhancer: Callable[[Image.Image], Any] = ENHANCERS[name]
        expected = np.asarray(enhancer(Image.fromarray(picture)).enhance(factor))
        found = changed(picture, number, **{name: 0.2})
        # Pillow rounds the gray to whole numbers on its way, and cuts where this rounds.
        np.testing.assert_allclose(found.astype(int), expected.astype(int), atol=1)
        assert not np.array_equal(found, picture)


def test_hue_turns_the_two_colour_differences(picture: np.ndarray) -> None:
    red, green, blue = np.moveaxis(picture.astype(float), -1, 0)
    gray = 0.299 * red + 0.587 * green + 0.114 * blue
    for number in range(5):
        turn = np.exp(2j * np.pi * 0.1 * drawn(number)[3])
        plane = (0.492 * (blue - gray) + 0.877j * (red - gray)) * turn
        new_blue, new_red = gray + plane.real / 0.492, gray + plane.imag / 0.877
        new_green = (gray - 0.299 * new_red - 0.114 * new_blue) / 0.587
        expected = np.stack([new_red, new_green, new_blue], -1).clip(0, 255)
        found = changed(picture, number, hue=0.1)
        np.testing.assert_allclose(found, expected, atol=0.51)


def test_all_together_come_in_the_promised_order(picture: np.ndarray) -> None:
    for number in range(5):
        factors = 1 + 0.2 * drawn(number)
        pixels = picture.astype(float)
        gray = pixels @ [0.299, 0.587, 0.114]
        pixels = gray[..., None] + factors[2] * (pixels - gray[..., None])
        pixels = gray.mean() + factors[1] * (pixels - gray.mean())
        expected = (pixels * factors[0]).clip(0, 255)
        found = changed(picture, number, brightness=0.2, contrast=0.2, saturation=0.2)
        np.testing.assert_allclose(found, expected, atol=0.51)


def test_light_that_is_too_bright_is_clipped() -> None:
    white = np.full((SIZE, SIZE, 3), 255, np.uint8)
    found = {changed(white, number, brightness=0.9).max() for number in range(20)}
    assert max(found) == 255
    assert min(found) < 100


def test_strengths_of_0_change_nothing() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(changed(picture, 7), picture)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"brightness": 1.5}, "brightness must be between 0 and 1, received 1.5"),
        ({"contrast": -0.1}, "contrast must be between 0 and 1, received -0.1"),
        ({"saturation": 2.0}, "saturation must be"),
        ({"hue": 0.6}, "hue must be between 0 and 0.5 of a turn, received 0.6"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Colour(image_size=SIZE, **options)
