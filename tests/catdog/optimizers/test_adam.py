"""Adam equals Keras' across a change of the rate, and the paper's formula in double precision."""

import doctest

import numpy as np
import pytest
import tensorflow as tf

from catdog.errors import UsageError
from catdog.optimizers import adam as module
from catdog.optimizers.adam import Adam

OPTIONS = [
    {},
    {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3},
    {"beta1": 0.0, "beta2": 0.0, "epsilon": 1e-8},
]


# Keras' v + (g² - v)(1 - beta2) cancels where beta2 is near 0, so that case is not its to judge.
@pytest.mark.parametrize("options", OPTIONS[:2], ids=str)
def test_equals_keras_across_a_change_of_rate(walk, options: dict[str, float]) -> None:
    theirs = {"beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}
    keras_rule = tf.keras.optimizers.Adam(
        learning_rate=1.0, **{theirs[name]: value for name, value in options.items()}
    )
    weight = tf.Variable(walk.start)
    steps = zip(walk.gradients, walk.rates, walk.by(Adam(**options)), strict=True)
    for gradient, rate, found in steps:
        keras_rule.learning_rate = float(rate)
        keras_rule.apply([tf.constant(gradient)], [weight])
        np.testing.assert_allclose(found, weight.numpy(), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equals_the_formula_in_double_precision(walk, options: dict[str, float]) -> None:
    beta1, beta2 = options.get("beta1", 0.9), options.get("beta2", 0.999)
    epsilon = options.get("epsilon", 1e-7)
    weight = walk.start.astype(np.float64)
    mean, square = np.zeros(weight.shape), np.zeros(weight.shape)
    steps = zip(walk.gradients, walk.rates, walk.by(Adam(**options)), strict=True)
    for number, (gradient, rate, found) in enumerate(steps, start=1):
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient.astype(np.float64) ** 2
        rate = float(rate) * np.sqrt(1 - beta2**number) / (1 - beta1**number)
        weight = weight - rate * mean / (np.sqrt(square) + epsilon)
        np.testing.assert_allclose(found, weight, rtol=1e-6, atol=2e-6)


def test_the_scale_of_the_gradient_does_not_matter() -> None:
    start = tf.constant([1.0, 1.0])
    gradient = tf.constant([0.1, 1e3])
    slots = (tf.zeros(2), tf.zeros(2))
    weight, _ = Adam().update(start, gradient, slots, learning_rate=0.1, step=0)
    np.testing.assert_allclose(weight, [0.9, 0.9], atol=1e-5)


def test_the_example_in_the_docstring_holds() -> None:
    assert doctest.testmod(module, extraglobs={"Adam": Adam}) == (0, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"beta1": -0.1},
        {"beta1": 1.0},
        {"beta2": 1.0},
        {"beta2": float("nan")},
        {"epsilon": 0.0},
        {"epsilon": float("inf")},
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    name, value = next(iter(options.items()))
    with pytest.raises(UsageError, match=f"{name} must be .* received {value}"):
        Adam(**options)
