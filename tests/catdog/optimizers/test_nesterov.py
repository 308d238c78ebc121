"""Nesterov equals TensorFlow 1's MomentumOptimizer(use_nesterov=True) across a change of rate."""

import doctest

import numpy as np
import pytest
import tensorflow as tf

from catdog.errors import UsageError
from catdog.optimizers import nesterov as module
from catdog.optimizers.momentum import Momentum
from catdog.optimizers.nesterov import Nesterov


def test_equals_tensorflows_own_operation_across_a_change_of_rate(walk) -> None:
    weight, accumulator = tf.Variable(walk.start), tf.Variable(tf.zeros_like(walk.start))
    steps = zip(walk.gradients, walk.rates, walk.by(Nesterov(momentum=0.9)), strict=True)
    for gradient, rate, found in steps:
        tf.raw_ops.ResourceApplyMomentum(
            var=weight.handle,
            accum=accumulator.handle,
            lr=tf.constant(rate),
            grad=tf.constant(gradient),
            momentum=tf.constant(0.9),
            use_nesterov=True,
        )
        np.testing.assert_allclose(found, weight.numpy(), rtol=1e-6, atol=2e-6)


@pytest.mark.parametrize("momentum", [0.9, 0.0, 0.5])
def test_equals_the_formula_in_numpy(walk, momentum: float) -> None:
    weight, velocity = walk.start.astype(np.float64), np.zeros(walk.start.shape)
    steps = zip(walk.gradients, walk.rates, walk.by(Nesterov(momentum=momentum)), strict=True)
    for gradient, rate, found in steps:
        velocity = momentum * velocity + gradient
        weight = weight - float(rate) * (gradient + momentum * velocity)
        np.testing.assert_allclose(found, weight, rtol=1e-6, atol=2e-6)


def test_without_momentum_it_is_gradient_descent_and_with_it_not_momentum(walk) -> None:
    plain = walk.by(Momentum(momentum=0.0))
    np.testing.assert_array_equal(walk.by(Nesterov(momentum=0.0)), plain)
    gap = np.abs(walk.by(Nesterov())[-1] - walk.by(Momentum())[-1])
    assert gap.max() > 1e-3


def test_the_example_in_the_docstring_holds() -> None:
    assert doctest.testmod(module) == (0, 2)


@pytest.mark.parametrize("momentum", [-0.1, 1.0, float("nan")])
def test_momentum_out_of_range_is_refused(momentum: float) -> None:
    with pytest.raises(UsageError, match="momentum must be at least 0 and below 1, received"):
        Nesterov(momentum=momentum)
