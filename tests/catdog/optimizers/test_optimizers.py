"""Every optimizer keeps the room's contract; a new file is picked up unasked."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog import registry
from catdog.optimizers._optimizer import Optimizer

ROOM = "catdog.optimizers"


@pytest.fixture(params=registry.names(ROOM))
def optimizer(request: pytest.FixtureRequest) -> Optimizer:
    """One optimizer after the other, with its default options."""
    return registry.find(ROOM, request.param, Optimizer)()


def _descend(optimizer: Optimizer, start: Any, *, rate: float, steps: int) -> Any:
    """The weight after steps down the bowl w²/2, whose gradient is w."""
    weight = start
    slots = tuple(tf.zeros_like(start) for _ in optimizer.slot_names)
    for step in range(steps):
        weight, slots = optimizer.update(
            weight, weight, slots, learning_rate=rate, step=tf.constant(step, tf.int64)
        )
    return weight


def test_slots_come_back_in_their_number_shape_and_dtype(optimizer: Optimizer) -> None:
    weight = tf.constant([[1.0, -2.0, 3.0]])
    slots = tuple(tf.zeros_like(weight) for _ in optimizer.slot_names)
    new_weight, new_slots = optimizer.update(
        weight, weight, slots, learning_rate=tf.constant(0.1), step=tf.constant(0, tf.int64)
    )
    assert len(set(optimizer.slot_names)) == len(new_slots)
    for tensor in (new_weight, *new_slots):
        assert (tensor.shape, tensor.dtype) == (weight.shape, tf.float32)


def test_goes_down_a_bowl(optimizer: Optimizer) -> None:
    end = _descend(optimizer, tf.constant([4.0, -3.0]), rate=0.05, steps=200)
    assert np.abs(end.numpy()).max() < 0.5


def test_is_a_pure_function_that_changes_nothing_it_was_given(optimizer: Optimizer) -> None:
    start = tf.constant([1.0, 2.0])
    first = _descend(optimizer, start, rate=0.1, steps=5)
    second = _descend(optimizer, start, rate=0.1, steps=5)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(start, [1.0, 2.0])


def test_rate_zero_and_gradient_zero_change_nothing(optimizer: Optimizer) -> None:
    weight = tf.constant([1.0, -2.0])
    np.testing.assert_array_equal(_descend(optimizer, weight, rate=0.0, steps=3), weight)
    slots = tuple(tf.zeros_like(weight) for _ in optimizer.slot_names)
    still, _ = optimizer.update(
        weight, tf.zeros(2), slots, learning_rate=0.1, step=tf.constant(0, tf.int64)
    )
    np.testing.assert_allclose(still, weight, atol=1e-7)
