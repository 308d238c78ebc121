"""Fifty steps of random gradients, with a fall of the rate in the middle: what rules are put to."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from catdog.optimizers._optimizer import Optimizer

STEPS = 50
# The rate falls to a tenth in the middle, as plateau makes it.
RATES = np.array([0.02] * 25 + [0.002] * 25, np.float32)


@dataclasses.dataclass(frozen=True)
class Walk:
    """A weight's start, the gradient of each step (their scales differ) and its learning rate."""

    start: NDArray[np.float32]
    gradients: NDArray[np.float32]
    rates: NDArray[np.float32]

    def by(
        self, rule: Optimizer, shrink: Callable[[float], float] = lambda rate: 1.0
    ) -> list[NDArray[np.float32]]:
        """The weight after each step of `rule`; before each it is multiplied by shrink(rate)."""
        weight = tf.constant(self.start)
        slots = tuple(tf.zeros_like(weight) for _ in rule.slot_names)
        found = []
        for step, (gradient, rate) in enumerate(zip(self.gradients, self.rates, strict=True)):
            weight, slots = rule.update(
                weight * shrink(float(rate)),
                tf.constant(gradient),
                slots,
                learning_rate=tf.constant(rate),
                step=tf.constant(step, tf.int64),
            )
            found.append(weight.numpy())
        return found


@pytest.fixture(params=[(), (5,), (3, 4), (3, 3, 2, 4)], ids=str)
def walk(request: pytest.FixtureRequest) -> Walk:
    """A walk for weights of several shapes: a number, a bias, a matrix, a convolution's kernel."""
    rng = np.random.default_rng(5)
    scales = np.exp(rng.normal(size=(1, *request.param)))
    return Walk(
        start=rng.normal(size=request.param).astype(np.float32),
        gradients=(scales * rng.normal(size=(STEPS, *request.param))).astype(np.float32),
        rates=RATES,
    )
