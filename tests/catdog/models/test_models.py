"""Every model keeps the room's contract; a new file is picked up unasked."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from catdog import registry

ROOM = "catdog.models"
SEED = (123, 4)

Make = Callable[..., Any]


@pytest.fixture(params=registry.names(ROOM))
def make(request: pytest.FixtureRequest) -> Make:
    """Makes one model after the other, narrow and with its weights there."""
    kind: Any = registry.find(ROOM, request.param, keras.Model)

    def make(*, seed: int = 0, num_classes: int = 3, dtype: str = "float32") -> Any:
        model = kind(
            num_classes=num_classes,
            mean=(120.0, 110.0, 100.0),
            std=(60.0, 61.0, 62.0),
            seed=seed,
            dtype=dtype,
            width=0.02,
        )
        model(tf.zeros([1, model.image_size, model.image_size, 3], tf.uint8))
        return model

    return make


def _images(model: Any, count: int = 2) -> Any:
    rng = np.random.default_rng(0)
    size = model.image_size
    return tf.constant(rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8))


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_uint8_images_become_finite_float32_logits(make: Make, dtype: str) -> None:
    model = make(dtype=dtype)
    logits = model(_images(model))
    assert (logits.shape, logits.dtype) == ((2, 3), tf.float32)
    assert np.isfinite(logits).all()
    assert all(weight.dtype == "float32" for weight in model.trainable_variables)


def test_the_seed_decides_the_weights_and_each_of_them_differs(make: Make) -> None:
    one, same, other = make(seed=1), make(seed=1), make(seed=2)
    for a, b, c in zip(one.weights, same.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        if np.ptp(a.numpy()) > 0:
            assert np.abs(a.numpy() - c.numpy()).max() > 0
    kernels = [weight.numpy().ravel()[:8] for weight in one.weights if np.ptp(weight.numpy()) > 0]
    assert len(kernels) > 1
    assert len({tuple(np.round(k / np.abs(k).max(), 5)) for k in kernels}) == len(kernels)


def test_weights_have_names_of_their_own(make: Make) -> None:
    paths = [weight.path for weight in make().trainable_variables]
    assert len(set(paths)) == len(paths)
    assert paths == [weight.path for weight in make().trainable_variables]


def test_without_a_seed_predictions_are_repeated_exactly(make: Make) -> None:
    model = make()
    images = _images(model)
    np.testing.assert_array_equal(model(images), model(images))


def test_a_training_pass_depends_on_its_seed_alone(make: Make) -> None:
    model = make()
    images = _images(model)
    seeds = [tf.constant([key, step], tf.int64) for key, step in (SEED, SEED, (123, 5))]
    first, again, _ = (model(images, seed=seed).numpy() for seed in seeds)
    np.testing.assert_array_equal(first, again)


def test_every_weight_has_a_gradient(make: Make) -> None:
    model = make()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(_images(model, 4)) ** 2)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_variables])
    assert all(gradient is not None for gradient in gradients)


@pytest.mark.parametrize("classes", [2, 37])
def test_there_is_a_logit_for_each_class(make: Make, classes: int) -> None:
    model = make(num_classes=classes)
    assert model(_images(model)).shape == (2, classes)
