"""What holds for every augmentation of the room, those to come included."""

import inspect
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog import registry
from catdog.augmentations._augmentation import Augmentation

SIZE = 227
STORED = 256
NAMES = registry.names("catdog.augmentations")
SEEDS = [(key, number) for key in (-(2**63), -5, 0, 2**62) for number in (-1, 0, 7, 10**9)]


@pytest.fixture(params=NAMES)
def augmentation(request: pytest.FixtureRequest, make_augmentation: Any) -> Augmentation:
    made: Augmentation = make_augmentation(request.param)
    return made


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (STORED, STORED, 3), dtype=np.uint8)


def cut(augmentation: Augmentation, picture: np.ndarray, seed: tf.Tensor) -> tf.Tensor:
    """What the augmentation asks to be decoded, or a part of the model's size."""
    box = augmentation.crop_box(STORED, seed)
    top, left, height, width = (0, 0, SIZE, SIZE) if box is None else box.numpy()
    return tf.constant(picture[top : top + height, left : left + width])


def applied(augmentation: Augmentation, picture: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
    """The picture as the augmentation makes it, blended by `mix` with its own negative."""
    key = tf.constant(seed, tf.int64)
    image = augmentation(cut(augmentation, picture, key), key)
    targets = tf.eye(2)
    images, _ = augmentation.mix(tf.stack([image, 255 - image]), targets, tf.stack([key, key]))
    return images[0].numpy()


def test_it_gives_a_picture_of_the_models_size(
    augmentation: Augmentation, picture: np.ndarray
) -> None:
    for seed in SEEDS:
        key = tf.constant(seed, tf.int64)
        found = augmentation(cut(augmentation, picture, key), key)
        assert (found.dtype, found.shape) == (tf.uint8, (SIZE, SIZE, 3))


def test_it_is_a_pure_function_of_picture_and_seed(
    augmentation: Augmentation, picture: np.ndarray
) -> None:
    first = [applied(augmentation, picture, seed) for seed in SEEDS]
    tf.random.set_seed(1)
    before = picture.copy()
    for seed, expected in zip(reversed(SEEDS), reversed(first), strict=True):
        np.testing.assert_array_equal(applied(augmentation, picture, seed), expected)
    np.testing.assert_array_equal(picture, before)


def test_it_gives_the_same_inside_a_graph(augmentation: Augmentation, picture: np.ndarray) -> None:
    seed = tf.constant(SEEDS[1], tf.int64)
    part = cut(augmentation, picture, seed)
    inside = tf.function(augmentation.__call__)(part, seed)
    np.testing.assert_array_equal(inside, augmentation(part, seed))


def test_both_parts_of_the_seed_matter(augmentation: Augmentation, picture: np.ndarray) -> None:
    by_number = {applied(augmentation, picture, (3, n)).tobytes() for n in range(12)}
    by_key = {applied(augmentation, picture, (k, 3)).tobytes() for k in range(12)}
    assert len(by_number) > 3
    assert len(by_key) > 3


@pytest.mark.parametrize("stored", [SIZE, 230, STORED, 301])
def test_what_it_cuts_lies_inside_the_picture(augmentation: Augmentation, stored: int) -> None:
    seeds = tf.constant([(5, number) for number in range(500)], tf.int64)
    if augmentation.crop_box(stored, seeds[0]) is None:
        assert type(augmentation).crop_box is Augmentation.crop_box
        return

    @tf.function
    def all_boxes() -> tf.Tensor:
        return tf.map_fn(
            lambda seed: augmentation.crop_box(stored, seed), seeds, fn_output_signature=tf.int32
        )

    boxes = all_boxes().numpy()
    assert boxes.shape == (500, 4)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] >= 1).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= stored).all()


def test_its_options_are_keywords_with_types_and_defaults(
    augmentation: Augmentation, reserved: dict[str, Any]
) -> None:
    for name, parameter in inspect.signature(type(augmentation)).parameters.items():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, name
        if name in reserved:
            assert parameter.default is inspect.Parameter.empty, name
        else:
            assert parameter.annotation in (int, float, bool, str), name
            assert parameter.default is not inspect.Parameter.empty, name
