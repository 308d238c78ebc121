"""Every optimizer keeps the room's contract; a new file is picked up unasked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog import registry
from catdog.optimizers._optimizer import Optimizer
from catdog.training import checkpoints

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


def test_the_step_may_be_a_number_or_a_tensor(optimizer: Optimizer) -> None:
    weight = tf.constant([1.0, -2.0])
    slots = tuple(tf.fill(weight.shape, 0.5) for _ in optimizer.slot_names)
    found = [
        optimizer.update(weight, weight, slots, learning_rate=0.1, step=step)
        for step in (7, tf.constant(7, tf.int64))
    ]
    for one, other in zip(tf.nest.flatten(found[0]), tf.nest.flatten(found[1]), strict=True):
        assert one.dtype == other.dtype == tf.float32
        np.testing.assert_array_equal(one, other)


def test_a_graph_computes_what_eager_execution_does(optimizer: Optimizer) -> None:
    start = tf.constant([[1.0, -2.0, 0.0]])

    @tf.function
    def three_steps(weight: Any) -> Any:
        slots = tuple(tf.zeros_like(weight) for _ in optimizer.slot_names)
        for step in tf.range(3, dtype=tf.int64):
            weight, slots = optimizer.update(
                weight, weight, slots, learning_rate=tf.constant(0.1), step=step
            )
        return weight

    eager = _descend(optimizer, start, rate=0.1, steps=3)
    np.testing.assert_allclose(three_steps(start), eager, rtol=1e-6)


def _steps(optimizer: Optimizer, variables: dict[str, tf.Variable], steps: range) -> Any:
    """The weight after the steps down the bowl, done in the variables."""
    for step in steps:
        weight, slots = variables["weight"], [variables[name] for name in optimizer.slot_names]
        found, new_slots = optimizer.update(
            tf.convert_to_tensor(weight),
            tf.convert_to_tensor(weight),
            tuple(tf.convert_to_tensor(slot) for slot in slots),
            learning_rate=0.1,
            step=tf.constant(step, tf.int64),
        )
        for variable, value in zip([weight, *slots], [found, *new_slots], strict=True):
            variable.assign(value)
    return variables["weight"].numpy()


def test_a_checkpoint_of_weight_and_slots_goes_on_as_if_nothing_had_happened(
    optimizer: Optimizer, tmp_path: Path
) -> None:
    def fresh() -> dict[str, tf.Variable]:
        return {name: tf.Variable([1.0, -2.0]) for name in ("weight", *optimizer.slot_names)}

    def begun() -> dict[str, tf.Variable]:
        variables = fresh()
        for name in optimizer.slot_names:
            variables[name].assign(tf.zeros(2))
        return variables

    undisturbed = _steps(optimizer, begun(), range(8))
    stopped = begun()
    _steps(optimizer, stopped, range(4))
    about = dict.fromkeys(("config", "model", "class_names", "preparation", "data_fingerprint"))
    path = checkpoints.save(tmp_path, "last", 4, stopped, about, keep=1)
    restored = fresh()
    checkpoints.restore(path, restored)
    np.testing.assert_array_equal(_steps(optimizer, restored, range(4, 8)), undisturbed)
