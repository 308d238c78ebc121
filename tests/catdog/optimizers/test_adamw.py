"""AdamW equals Keras' where the training step shrinks the weights as the contract says."""

import doctest

import numpy as np
import pytest
import tensorflow as tf

from catdog.errors import UsageError
from catdog.optimizers import adamw as module
from catdog.optimizers._optimizer import Optimizer
from catdog.optimizers.adam import Adam
from catdog.optimizers.adamw import AdamW


@pytest.mark.parametrize("weight_decay", [0.1, 0.004])
def test_equals_keras_across_a_change_of_rate(walk, weight_decay: float) -> None:
    keras_rule = tf.keras.optimizers.AdamW(learning_rate=1.0, weight_decay=weight_decay)
    weight = tf.Variable(walk.start)
    found_weights = walk.by(AdamW(), shrink=lambda rate: 1.0 - rate * weight_decay)
    for gradient, rate, found in zip(walk.gradients, walk.rates, found_weights, strict=True):
        keras_rule.learning_rate = float(rate)
        keras_rule.apply([tf.constant(gradient)], [weight])
        np.testing.assert_allclose(found, weight.numpy(), rtol=1e-6, atol=1e-5)


def test_the_rule_itself_is_adams_with_the_same_options(walk) -> None:
    options = {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3}
    np.testing.assert_array_equal(walk.by(AdamW(**options)), walk.by(Adam(**options)))
    assert np.abs(walk.by(AdamW(**options))[-1] - walk.by(AdamW())[-1]).max() > 1e-3


def test_it_alone_asks_for_decoupled_decay() -> None:
    assert AdamW.decoupled_decay is True
    assert Adam.decoupled_decay is Optimizer.decoupled_decay is False


def test_the_example_in_the_docstring_holds() -> None:
    assert doctest.testmod(module, extraglobs={"AdamW": AdamW}) == (0, 2)


@pytest.mark.parametrize("options", [{"beta1": 1.0}, {"beta2": -1.0}, {"epsilon": 0.0}], ids=str)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(options))} must be"):
        AdamW(**options)
