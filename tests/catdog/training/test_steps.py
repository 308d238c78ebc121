"""Training steps: the gradient by hand, one device or two, padding, and float16's loss scale."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog.optimizers.momentum import Momentum
from catdog.training import objective
from catdog.training import steps as module

RATES = np.array([0.1, 0.1, 0.05, 0.05, 0.02, 0.02, 0.01, 0.01], np.float32)
TINY = {"dropout_key": 77, "label_smoothing": 0.1, "weight_decay": 1e-2}


def _train(tiny: Any, examples: Any, rates: Any = RATES, *, per_call: int = 4) -> list[Any]:
    iterator = tiny.iterator(examples)
    return [
        tiny.steps(iterator, rates[first : first + per_call], first)
        for first in range(0, len(rates), per_call)
    ]


def _assert_equal(one: Any, other: Any) -> None:
    for name, value in one.values().items():
        np.testing.assert_array_equal(value, other.values()[name], err_msg=name)


@pytest.mark.parametrize("decay_biases", [False, True])
def test_one_step_equals_gradient_plus_decay_by_hand(
    make_tiny: Any, tiny_examples: Any, decay_biases: bool
) -> None:
    examples = tiny_examples(8)
    tiny = make_tiny(decay_biases=decay_biases)
    before = tiny.values()
    weights = [weight.value for weight in tiny.model.trainable_variables]
    with tf.GradientTape() as tape:
        logits = tiny.model(examples["images"], seed=tf.constant([77, 5, 0, 8], tf.int64))
        target = 0.9 * np.eye(2)[examples["labels"]] + 0.05
        losses = -tf.reduce_sum(target * tf.nn.log_softmax(logits), axis=1)
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, weights)
    result = tiny.steps(tiny.iterator(examples), np.array([0.1], np.float32), 5)
    after = tiny.values()
    expected_l2 = sum(
        1e-2 * np.sum(weight.numpy() ** 2) / 2
        for weight in weights
        if decay_biases or len(weight.shape) > 1
    )
    for name, gradient in zip(("fc1/kernel", "fc1/bias", "fc2/kernel"), gradients, strict=False):
        old = before[f"weights/{name}"]
        decay = 1e-2 * old if decay_biases or "kernel" in name else 0.0
        velocity = gradient.numpy() + decay
        np.testing.assert_allclose(after[f"velocity/{name}"], velocity, atol=1e-6)
        np.testing.assert_allclose(after[f"weights/{name}"], old - 0.1 * velocity, atol=1e-6)
    assert result.cross_entropies[0] == pytest.approx(float(loss), abs=1e-6)
    assert result.l2 == pytest.approx(expected_l2, rel=1e-5)
    assert result.correct[0] == np.sum(logits.numpy().argmax(axis=1) == examples["labels"])
    assert result.examples.tolist() == [8.0]
    np.testing.assert_allclose(result.losses, [losses.numpy()], atol=1e-6)
    assert result.ids.tolist() == [list(range(8))]
    assert result.waited >= 0.0


def test_training_learns(make_tiny: Any, tiny_examples: Any) -> None:
    tiny = make_tiny()
    rates = np.full(60, 0.1, np.float32)
    results = _train(tiny, tiny_examples(480), rates, per_call=30)
    assert results[1].cross_entropies[-10:].mean() < 0.7 * results[0].cross_entropies[:10].mean()
    test = tiny_examples(200, seed=1)
    found = tiny.model(test["images"]).numpy().argmax(axis=1)
    assert np.mean(found == test["labels"]) > 0.95


def test_two_devices_give_the_weights_of_one(
    make_tiny: Any, tiny_examples: Any, two_devices: tuple[str, ...]
) -> None:
    examples = tiny_examples(64)
    examples["weights"][60:] = 0.0  # the last batch is half padding: all of one device's part
    one, two = make_tiny(), make_tiny(devices=("CPU:0", "CPU:1"))
    assert (one.strategy.num_replicas_in_sync, two.strategy.num_replicas_in_sync) == (1, 2)
    results = [_train(tiny, examples) for tiny in (one, two)]
    for name, value in one.values().items():
        np.testing.assert_allclose(two.values()[name], value, rtol=0, atol=1e-6, err_msg=name)
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a.cross_entropies, b.cross_entropies, atol=1e-6)
        np.testing.assert_array_equal(a.correct, b.correct)
        np.testing.assert_array_equal(a.examples, b.examples)
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_allclose(a.losses, b.losses, atol=1e-6)


@pytest.mark.parametrize("devices", [(), ("CPU:0", "CPU:1")])
def test_losses_come_in_the_order_of_the_batch_however_it_is_computed(
    make_tiny: Any, tiny_examples: Any, two_devices: tuple[str, ...], devices: tuple[str, ...]
) -> None:
    examples = tiny_examples(16)
    (plain,) = _train(make_tiny(), examples, RATES[:2])
    (found,) = _train(make_tiny(devices=devices, accumulate_steps=2), examples, RATES[:2])
    np.testing.assert_array_equal(found.ids, np.arange(16).reshape(2, 8))
    np.testing.assert_allclose(found.losses, plain.losses, atol=1e-6)


def test_what_stands_in_padding_changes_nothing(make_tiny: Any, tiny_examples: Any) -> None:
    examples = tiny_examples(16)
    examples["weights"][13:] = 0.0
    other = {name: values.copy() for name, values in examples.items()}
    other["images"][13:], other["labels"][13:] = 255 - other["images"][13:], 1
    other["targets"][13:] = [0.0, 1.0]
    one, two = make_tiny(), make_tiny()
    results = [_train(tiny, data, RATES[:2]) for tiny, data in ((one, examples), (two, other))]
    _assert_equal(one, two)
    for (result,) in results:
        assert result.examples.tolist() == [8.0, 5.0]
        np.testing.assert_array_equal(result.cross_entropies, results[0][0].cross_entropies)


def test_the_loss_of_a_padded_batch_is_the_mean_over_its_examples(
    make_tiny: Any, tiny_examples: Any
) -> None:
    examples = tiny_examples(8)
    examples["weights"][5:] = 0.0
    tiny = make_tiny()
    logits = tiny.model(examples["images"], seed=tf.constant([77, 0, 0, 8], tf.int64))
    losses = objective.cross_entropies(examples["targets"], logits, label_smoothing=0.1)
    (result,) = _train(tiny, examples, RATES[:1])
    assert result.cross_entropies[0] == pytest.approx(np.mean(losses.numpy()[:5]), abs=1e-6)


@pytest.mark.parametrize("per_call", [1, 3, 8])
def test_steps_per_call_change_nothing(make_tiny: Any, tiny_examples: Any, per_call: int) -> None:
    examples = tiny_examples(64)
    one, two = make_tiny(), make_tiny()
    _train(one, examples, per_call=4)
    results = _train(two, examples, per_call=per_call)
    _assert_equal(one, two)
    assert sum(len(result.cross_entropies) for result in results) == 8


@pytest.mark.parametrize("parts", [1, 2])
def test_xla_compiles_the_same_step(make_tiny: Any, tiny_examples: Any, parts: int) -> None:
    """But for dropout, whose random numbers XLA makes in a way of its own.

    On one device: XLA takes two logical CPUs for one and does not find the second one's weights.
    """
    examples = tiny_examples(64)
    plain = make_tiny(dropout=0.0)
    compiled = make_tiny(dropout=0.0, xla=True, accumulate_steps=parts)
    for one, other in zip(_train(plain, examples), _train(compiled, examples), strict=True):
        np.testing.assert_allclose(one.cross_entropies, other.cross_entropies, atol=1e-5)
    for name, value in plain.values().items():
        np.testing.assert_allclose(compiled.values()[name], value, atol=1e-5, err_msg=name)


def test_variables_are_weights_and_slots_under_names_that_last(make_tiny: Any) -> None:
    names = {f"{layer}/{part}" for layer in ("fc1", "fc2") for part in ("kernel", "bias")}
    plain = {f"{kind}/{name}" for kind in ("weights", "velocity") for name in names}
    assert set(make_tiny().steps.variables) == plain
    scaled = make_tiny(loss_scaling=True).steps.variables
    assert set(scaled) == plain | {"loss_scale", "good_steps"}


def test_a_model_that_was_never_called_is_refused(make_tiny: Any) -> None:
    tiny = make_tiny()
    unbuilt = type(tiny.model)()
    with pytest.raises(ValueError, match="call it once"):
        module.TrainSteps(unbuilt, Momentum(), tiny.strategy, tiny.steps._settings)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_trains_nearly_as_float32(
    make_tiny: Any, tiny_examples: Any, dtype: str
) -> None:
    examples = tiny_examples(64)
    full, half = make_tiny(), make_tiny(dtype=dtype, loss_scaling=dtype == "mixed_float16")
    _train(full, examples)
    _train(half, examples)
    for name, value in full.values().items():
        assert half.values()[name].dtype == np.float32
        np.testing.assert_allclose(half.values()[name], value, atol=0.03, err_msg=name)
