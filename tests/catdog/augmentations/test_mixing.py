"""What holds for every augmentation that mixes pictures of a batch, those to come included."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog import registry
from catdog.augmentations._augmentation import Augmentation

SIZE = 24
CLASSES = 3
MIXING = [
    name
    for name in registry.names("catdog.augmentations")
    if registry.find("catdog.augmentations", name, Augmentation).mix is not Augmentation.mix
]

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(params=MIXING)
def augmentation(request: pytest.FixtureRequest, make_augmentation: Any) -> Augmentation:
    made: Augmentation = make_augmentation(request.param, image_size=SIZE)
    return made


def batch(count: int, *, key: int = 5) -> Batch:
    """Random pictures, one-hot targets and the seeds of the examples 40, 41, …"""
    rng = np.random.default_rng(count)
    images = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    targets = np.eye(CLASSES, dtype=np.float32)[rng.integers(0, CLASSES, count)]
    return images, targets, np.stack([np.full(count, key), 40 + np.arange(count)], 1)


def mixed(
    augmentation: Augmentation, images: np.ndarray, targets: np.ndarray, seeds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    found, shares = augmentation.mix(
        tf.constant(images), tf.constant(targets), tf.constant(seeds, tf.int64)
    )
    return found.numpy(), shares.numpy()


def test_the_room_has_augmentations_that_mix() -> None:
    assert MIXING


def test_shapes_and_types_stay(augmentation: Augmentation) -> None:
    images, targets, seeds = batch(6)
    found, shares = mixed(augmentation, images, targets, seeds)
    assert (found.dtype, found.shape) == (images.dtype, images.shape)
    assert (shares.dtype, shares.shape) == (targets.dtype, targets.shape)


def test_the_targets_say_how_much_of_each_picture_is_in_a_mixture(
    augmentation: Augmentation,
) -> None:
    """White next to black: the mean of a mixture is the share of the white one's class."""
    pairs = 200
    images = np.zeros((2 * pairs, SIZE, SIZE, 3), np.uint8)
    images[::2] = 255
    targets = np.tile(np.eye(2, dtype=np.float32), (pairs, 1))
    _, _, seeds = batch(2 * pairs)
    found, shares = mixed(augmentation, images, targets, seeds)
    whiteness = found.reshape(2 * pairs, -1).mean(1) / 255
    np.testing.assert_allclose(whiteness, shares[:, 0], atol=0.51 / 255)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
    own = shares[np.arange(2 * pairs), np.arange(2 * pairs) % 2]
    assert own.min() >= 0.5, "a mixture is nearest to its own label"
    assert own.min() < 0.6 and own.max() > 0.99, "and the shares spread over all that is left"
    np.testing.assert_allclose(own[::2], own[1::2], atol=1e-6)


def test_targets_that_are_mixed_already_are_mixed_further(augmentation: Augmentation) -> None:
    images, _, seeds = batch(8)
    targets = np.random.default_rng(1).dirichlet(np.ones(CLASSES), 8).astype(np.float32)
    found, shares = mixed(augmentation, *mixed(augmentation, images, targets, seeds), seeds + 9)
    assert not np.array_equal(found, images)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(
        shares.reshape(4, 2, -1).sum(1), targets.reshape(4, 2, -1).sum(1), atol=1e-5
    )


def test_every_pair_is_mixed_by_itself(augmentation: Augmentation) -> None:
    """So that replicas with a part of the batch each do what one device does with all of it."""
    images, targets, seeds = batch(8)
    whole = mixed(augmentation, images, targets, seeds)
    for width in (2, 4):
        parts = [
            mixed(augmentation, images[i : i + width], targets[i : i + width], seeds[i : i + width])
            for i in range(0, 8, width)
        ]
        np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), whole[0])
        np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), whole[1])


def test_a_pair_is_drawn_from_the_seed_of_its_first_picture(augmentation: Augmentation) -> None:
    images, targets, seeds = batch(2)
    first = mixed(augmentation, images, targets, seeds)
    second_changed = seeds + [[0, 0], [3, 4]]
    np.testing.assert_array_equal(mixed(augmentation, images, targets, second_changed)[0], first[0])
    for change in ([3, 0], [0, 4]):
        other = mixed(augmentation, images, targets, seeds + [change, [0, 0]])
        assert not np.array_equal(other[0], first[0]), "both parts of the first seed matter"


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("padding", [0, 1])
def test_who_has_no_partner_stays_as_it_is(
    augmentation: Augmentation, count: int, padding: int
) -> None:
    images, targets, seeds = batch(count)
    seeds[count - padding :, 1] = -1
    found, shares = mixed(augmentation, images, targets, seeds)
    together = (count - padding) // 2 * 2
    np.testing.assert_array_equal(found[together:], images[together:])
    np.testing.assert_array_equal(shares[together:], targets[together:])
    changed = (found != images).reshape(count, -1).any(1)
    assert changed[:together].sum() >= together // 2


def test_padding_may_come_first_in_a_pair(augmentation: Augmentation) -> None:
    images, targets, seeds = batch(2)
    seeds[0, 1] = -1
    found, shares = mixed(augmentation, images, targets, seeds)
    np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(shares, targets)


def test_it_gives_the_same_inside_a_graph_and_on_another_device(
    augmentation: Augmentation, two_devices: tuple[str, ...]
) -> None:
    images, targets, seeds = batch(5, key=-(2**63))
    expected = mixed(augmentation, images, targets, seeds)
    compiled = tf.function(augmentation.mix)
    tf.random.set_seed(1)
    for device in two_devices:
        with tf.device(device):
            found = compiled(tf.constant(images), tf.constant(targets), tf.constant(seeds))
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-6)
