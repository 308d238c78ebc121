"""Every model keeps the room's contract; a new file is picked up unasked."""

import functools
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from catdog import parts, registry
from catdog.training import checkpoints, distribution

ROOM = "catdog.models"
SEED = (123, 4)

Make = Callable[..., Any]


def _new(name: str, *, seed: int = 0, num_classes: int = 2, dtype: str = "float32") -> Any:
    kind: Any = registry.find(ROOM, name, keras.Model)
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


@pytest.fixture(scope="module")
def models() -> Make:
    """`models(name, copy=…, seed=…)`: a model for these arguments, made once, as it was made.

    A test may change its weights: it gets its first values back each time it is asked for. `copy`
    tells one from another of the same arguments.
    """

    @functools.cache
    def made(name: str, copy: int, options: tuple[Any, ...]) -> tuple[Any, list[NDArray[Any]]]:
        model = _new(name, **dict(options))
        return model, [weight.numpy() for weight in model.weights]

    def find(name: str, *, copy: int = 0, **options: Any) -> Any:
        model, values = made(name, copy, tuple(sorted(options.items())))
        for weight, value in zip(model.weights, values, strict=True):
            weight.assign(value)
        return model

    return find


@pytest.fixture(params=registry.names(ROOM))
def make(request: pytest.FixtureRequest, models: Make) -> Make:
    """`make(copy=…, seed=…)` for one room file after the other."""
    return functools.partial(models, request.param)


def _images(model: Any, count: int = 2) -> Any:
    """Coarse noise, in which pictures differ to a network as well."""
    size = model.image_size
    coarse = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3))
    fine = np.kron(coarse, np.ones((1, 29, 29, 1)))
    return tf.constant(fine[:, :size, :size].astype(np.uint8))


def _let_pictures_through(model: Any) -> None:
    """Adds noise to all weights: the last layer may be all zeros, and so all logits."""
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        weight.assign(weight.value + rng.normal(scale=0.1, size=weight.shape))


def _seed(*, key: int = SEED[0], step: int = SEED[1], first: Any = 0, rows: int) -> Any:
    return tf.stack([tf.cast(number, tf.int64) for number in (key, step, first, rows)])


@pytest.mark.parametrize(
    ("dtype", "classes"), [("float32", 2), ("mixed_bfloat16", 37)], ids=["float32", "bfloat16"]
)
def test_uint8_images_become_finite_float32_logits_of_each_class(
    make: Make, dtype: str, classes: int
) -> None:
    options = {} if classes == 2 else {"dtype": dtype, "num_classes": classes}
    model = make(**options)
    _let_pictures_through(model)
    logits = model(_images(model))
    assert (logits.shape, logits.dtype) == ((2, classes), tf.float32)
    assert np.isfinite(logits).all()
    assert all(weight.dtype == "float32" for weight in model.trainable_variables)


def test_the_seed_decides_the_weights_and_each_of_them_differs(make: Make) -> None:
    one, same, other = make(), make(copy=1), make(seed=2)
    assert one is not same
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
    assert paths == [weight.path for weight in make(copy=1).trainable_variables]
    assert len(parts.weights(make())) == len(make().weights)


def test_predictions_repeat_and_a_training_pass_depends_on_its_seed_alone(make: Make) -> None:
    model = make()
    _let_pictures_through(model)
    images = _images(model, 4)
    first, again, other = (
        model(images, seed=_seed(step=step, rows=4)).numpy() for step in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    predicted = model(images).numpy()
    np.testing.assert_array_equal(predicted, model(images))
    # A model without dropout gives what it gives in prediction, whatever the seed.
    random = not np.array_equal(first, predicted)
    assert random is not np.array_equal(first, other)


def test_an_image_gives_the_same_in_any_batch(make: Make) -> None:
    model = make()
    _let_pictures_through(model)
    images = _images(model, 4)
    whole = model(images, seed=_seed(rows=4)).numpy()
    assert np.ptp(whole, axis=0).max() > 1e-3, "the pictures must matter"
    halves = [model(images[i : i + 2], seed=_seed(first=i, rows=4)) for i in (0, 2)]
    np.testing.assert_allclose(np.concatenate(halves), whole, rtol=1e-3, atol=1e-4)


def test_two_devices_give_the_logits_of_one(make: Make, two_devices: tuple[str, ...]) -> None:
    model = make()
    _let_pictures_through(model)
    images = _images(model, 4)
    expected = model(images, seed=_seed(rows=4)).numpy()
    strategy = distribution.make_strategy(("CPU:0", "CPU:1"))
    with strategy.scope():
        mirrored = _new(model.name)
    for weight, value in zip(mirrored.weights, model.weights, strict=True):
        weight.assign(value.numpy())
    halves = strategy.experimental_distribute_values_from_function(
        lambda context: tf.identity(np.split(images, 2)[context.replica_id_in_sync_group])
    )

    def half(own: Any) -> Any:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return mirrored(own, seed=_seed(first=tf.cast(replica, tf.int32) * 2, rows=4))

    # Without tf.function: tracing a deep network twice takes four times as long as running it.
    found = strategy.gather(strategy.run(half, args=(halves,)), axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_checkpoint_carries_all_that_the_logits_depend_on(make: Make, tmp_path: Path) -> None:
    model, other = make(), make(seed=2)
    _let_pictures_through(model)
    images = _images(model)
    logits = model(images).numpy()
    assert not np.allclose(other(images), logits)
    about = dict.fromkeys(
        ("config", "model", "class_names", "preparation", "data_fingerprint"), "none"
    )
    path = checkpoints.save(tmp_path, "best", 1, parts.weights(model), about, keep=1)
    checkpoints.restore(path, parts.weights(other))
    np.testing.assert_array_equal(other(images), logits)


def test_a_few_steps_lower_the_loss_and_reach_every_weight(make: Make) -> None:
    model = make()
    images, labels = _images(model, 4), tf.constant([0, 1, 1, 0])
    weights = [weight.value for weight in model.trainable_variables]
    before = [weight.numpy() for weight in weights]
    losses = []
    for _ in range(4):
        with tf.GradientTape() as tape:
            entropies = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(images))
            loss = tf.reduce_mean(entropies)
        losses.append(float(loss))
        gradients = tape.gradient(loss, weights)
        # A step for which a linear loss would be a hundredth less, at any depth and width.
        rate = loss / 100 / tf.linalg.global_norm(gradients) ** 2
        for weight, gradient in zip(weights, gradients, strict=True):
            assert np.isfinite(gradient).all()
            weight.assign_sub(rate * gradient)
    assert all(new < old for old, new in itertools.pairwise(losses)), losses
    moved = [not np.array_equal(w.numpy(), old) for w, old in zip(weights, before, strict=True)]
    assert all(moved), [w.name for w, m in zip(weights, moved, strict=True) if not m]
