"""Training steps: the gradient by hand, one device or two, padding, and float16's loss scale."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

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
        logits = tiny.model(examples["images"], seed=tf.constant([77, 5], tf.int64))
        target = 0.9 * np.eye(2)[examples["labels"]] + 0.05
        loss = tf.reduce_mean(-tf.reduce_sum(target * tf.nn.log_softmax(logits), axis=1))
    gradients = tape.gradient(loss, weights)
    expected_l2 = sum(
        1e-2 * np.sum(weight.numpy() ** 2) / 2
        for weight in weights
        if decay_biases or len(weight.shape) > 1
    )
    result = tiny.steps(tiny.iterator(examples), np.array([0.1], np.float32), 5)
    after = tiny.values()
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


def test_what_stands_in_padding_changes_nothing(make_tiny: Any, tiny_examples: Any) -> None:
    examples = tiny_examples(16)
    examples["weights"][13:] = 0.0
    other = {name: values.copy() for name, values in examples.items()}
    other["images"][13:], other["labels"][13:] = 255 - other["images"][13:], 1
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
    logits = tiny.model(examples["images"], seed=tf.constant([77, 0], tf.int64))
    losses = objective.cross_entropies(examples["labels"], logits, label_smoothing=0.1)
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
        module.TrainSteps(unbuilt, None, tiny.strategy, None)  # type: ignore[arg-type]


def test_loss_scaling_alone_changes_no_weight(make_tiny: Any, tiny_examples: Any) -> None:
    examples = tiny_examples(64)
    plain, scaled = make_tiny(), make_tiny(loss_scaling=True)
    _train(plain, examples)
    _train(scaled, examples)
    for name, value in plain.values().items():
        np.testing.assert_allclose(scaled.values()[name], value, atol=1e-6, err_msg=name)
    assert scaled.values()["loss_scale"] == 2.0**15
    assert scaled.values()["good_steps"] == 8


@pytest.mark.parametrize("devices", [(), ("CPU:0", "CPU:1")], ids=["one", "two"])
def test_a_step_with_infinite_gradients_is_skipped_and_halves_the_scale(
    make_tiny: Any, tiny_examples: Any, two_devices: tuple[str, ...], devices: tuple[str, ...]
) -> None:
    tiny = make_tiny(devices=devices, loss_scaling=True)
    _train(tiny, tiny_examples(16), RATES[:2])
    # Large activations, and labels of both kinds, one of which they must get wrong.
    tiny.steps.variables["weights/fc1/bias"].assign(np.full(6, 100.0))
    tiny.steps.variables["loss_scale"].assign(3e38)
    before = tiny.values()
    _train(tiny, tiny_examples(8) | {"labels": np.arange(8, dtype=np.int32) % 2}, RATES[:1])
    after = tiny.values()
    assert after.pop("loss_scale") == np.float32(1.5e38)
    assert (before.pop("good_steps"), after.pop("good_steps")) == (2, 0)
    for name, value in after.items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_the_scale_never_falls_below_one(make_tiny: Any, tiny_examples: Any) -> None:
    tiny = make_tiny(loss_scaling=True)
    tiny.steps.variables["loss_scale"].assign(1.0)
    tiny.steps.variables["weights/fc2/bias"].assign([np.nan, 0.0])
    _train(tiny, tiny_examples(16), RATES[:2])
    assert tiny.values()["loss_scale"] == 1.0


def test_the_scale_doubles_after_good_steps_in_a_row(
    make_tiny: Any, tiny_examples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module._GROWTH_STEPS == 2000
    monkeypatch.setattr(module, "_GROWTH_STEPS", 3)
    tiny = make_tiny(loss_scaling=True)
    scales = []
    iterator = tiny.iterator(tiny_examples(64))
    for step in range(7):
        tiny.steps(iterator, RATES[step : step + 1], step)
        scales.append(float(np.log2(tiny.values()["loss_scale"])))
    assert scales == [15, 15, 16, 16, 16, 17, 17]
    assert tiny.values()["good_steps"] == 1


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
