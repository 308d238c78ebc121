"""The layers: initial values as named, dropout that knows nothing of devices."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog.models import _layers
from catdog.training import distribution

SEED = (2**40 + 7, 3)


def _dropped(inputs: Any, seed: tuple[int, int], *, salt: int = 6, rate: float = 0.5) -> Any:
    layer = _layers.Dropout(rate, salt=salt, dtype="float32", name="dropout")
    return layer(tf.constant(inputs), seed=tf.constant(seed, tf.int64)).numpy()


def test_dropout_zeroes_its_share_and_doubles_the_rest() -> None:
    found = _dropped(np.ones((64, 500), np.float32), SEED)
    assert set(np.unique(found)) == {0.0, 2.0}
    # 32,000 fair coins: the standard error of the share is 0.0028.
    assert np.mean(found == 0) == pytest.approx(0.5, abs=0.012)
    quarter = _dropped(np.ones((64, 500), np.float32), SEED, rate=0.25)
    assert np.mean(quarter == 0) == pytest.approx(0.25, abs=0.012)
    assert quarter.max() == pytest.approx(4 / 3)


def test_dropout_is_off_without_a_seed() -> None:
    inputs = tf.constant([[1.0, 2.0]])
    layer = _layers.Dropout(0.5, salt=6, dtype="float32", name="dropout")
    np.testing.assert_array_equal(layer(inputs, seed=None), inputs)


def test_masks_repeat_for_the_same_seed_and_differ_between_steps_layers_and_rows() -> None:
    ones = np.ones((16, 64), np.float32)
    first = _dropped(ones, SEED)
    np.testing.assert_array_equal(first, _dropped(ones, SEED))
    for other in (
        _dropped(ones, (SEED[0], SEED[1] + 1)),
        _dropped(ones, (SEED[0] + 100, SEED[1])),
        _dropped(ones, SEED, salt=7),
        np.roll(first, 1, axis=0),
    ):
        assert 0.4 < np.mean(first != other) < 0.6


def test_masks_are_equal_on_one_and_on_two_devices(two_devices: tuple[str, ...]) -> None:
    strategy = distribution.make_strategy(("CPU:0", "CPU:1"))
    with strategy.scope():
        layer = _layers.Dropout(0.5, salt=6, dtype="float32", name="dropout")
    inputs = np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32)
    halves = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(inputs, 2)[context.replica_id_in_sync_group])
    )

    @tf.function
    def both(values: Any) -> Any:
        seed = tf.constant(SEED, tf.int64)
        return strategy.gather(strategy.run(lambda x: layer(x, seed=seed), args=(values,)), axis=0)

    np.testing.assert_array_equal(both(halves), _dropped(inputs, SEED))


def test_initial_values_have_the_spread_that_they_name() -> None:
    normal = _layers.normal(0.005, seed=1)([400, 400]).numpy()
    assert normal.std() == pytest.approx(0.005, rel=0.01)
    assert abs(normal.mean()) < 5e-5
    he = _layers.fan_in_normal(2.0, seed=1)([3, 3, 50, 300]).numpy()
    assert he.std() == pytest.approx(np.sqrt(2 / (3 * 3 * 50)), rel=0.01)


def test_layers_are_what_they_say() -> None:
    ones = tf.ones([1, 13, 13, 2])
    options: Any = {"initial_weights": _layers.normal(0.01, 0), "dtype": "float32"}
    convolved = _layers.conv_layer("c", 4, 5, initial_bias=-1.0, **options)(ones)
    assert convolved.shape == (1, 13, 13, 4)
    assert np.all(convolved.numpy() == 0.0), "ReLU cuts what the bias makes negative"
    assert _layers.max_pool("p", dtype="float32")(ones).shape == (1, 6, 6, 2)
    flat = tf.zeros([2, 7])
    dense = _layers.fc_layer("f", 3, initial_bias=-1.0, activation=None, **options)(flat)
    np.testing.assert_array_equal(dense, np.full((2, 3), -1.0))
