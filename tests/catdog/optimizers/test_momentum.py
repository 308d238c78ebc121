"""Momentum equals TensorFlow 1's MomentumOptimizer, also where the rate changes."""

import doctest
from collections.abc import Iterator

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from catdog.errors import UsageError
from catdog.optimizers import momentum as module
from catdog.optimizers.momentum import Momentum

STEPS = 50
# The rate falls to a tenth in the middle, as plateau makes it.
RATES = np.array([0.1] * 25 + [0.01] * 25, np.float32)


def _gradients() -> Iterator[NDArray[np.float32]]:
    rng = np.random.default_rng(5)
    for _ in range(STEPS):
        yield rng.normal(size=(3, 4)).astype(np.float32)


def _start() -> NDArray[np.float32]:
    return np.random.default_rng(6).normal(size=(3, 4)).astype(np.float32)


def _ours(momentum: float) -> list[NDArray[np.float32]]:
    """The weight after each step by the rule under test."""
    rule = Momentum(momentum=momentum)
    weight, slots = tf.constant(_start()), (tf.zeros([3, 4]),)
    found = []
    for step, gradient in enumerate(_gradients()):
        weight, slots = rule.update(
            weight,
            tf.constant(gradient),
            slots,
            learning_rate=tf.constant(RATES[step]),
            step=tf.constant(step, tf.int64),
        )
        found.append(weight.numpy())
    return found


@pytest.mark.parametrize("momentum", [0.9, 0.0, 0.5])
def test_equals_the_formula_in_numpy_across_a_change_of_rate(momentum: float) -> None:
    weight, velocity = _start().astype(np.float64), np.zeros((3, 4))
    for step, (gradient, found) in enumerate(zip(_gradients(), _ours(momentum), strict=True)):
        velocity = momentum * velocity + gradient
        weight = weight - float(RATES[step]) * velocity
        np.testing.assert_allclose(found, weight, rtol=0, atol=2e-6)


def test_equals_tensorflows_own_operation_across_a_change_of_rate() -> None:
    weight, accumulator = tf.Variable(_start()), tf.Variable(tf.zeros([3, 4]))
    for step, (gradient, found) in enumerate(zip(_gradients(), _ours(0.9), strict=True)):
        tf.raw_ops.ResourceApplyMomentum(
            var=weight.handle,
            accum=accumulator.handle,
            lr=tf.constant(RATES[step]),
            grad=tf.constant(gradient),
            momentum=tf.constant(0.9),
        )
        np.testing.assert_allclose(found, weight.numpy(), rtol=0, atol=1e-6)


def test_keras_sgd_is_another_rule_once_the_rate_has_changed() -> None:
    """The reason why there is a rule of our own: the two agree only while the rate stands."""
    weight = tf.Variable(_start())
    keras_rule = tf.keras.optimizers.SGD(learning_rate=0.1, momentum=0.9)
    gaps = []
    for step, (gradient, found) in enumerate(zip(_gradients(), _ours(0.9), strict=True)):
        keras_rule.learning_rate = float(RATES[step])
        keras_rule.apply([tf.constant(gradient)], [weight])
        gaps.append(np.abs(found - weight.numpy()).max())
    assert max(gaps[:25]) < 1e-5
    assert gaps[25] > 1e-2


def test_the_example_in_the_docstring_holds() -> None:
    assert doctest.testmod(module, extraglobs={"Momentum": Momentum}).failed == 0


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_momentum_out_of_range_is_refused(momentum: float) -> None:
    with pytest.raises(UsageError, match="momentum"):
        Momentum(momentum=momentum)
