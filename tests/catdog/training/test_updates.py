"""What a step changes: loss scale, decay, clipping, averages, accumulation, class weights."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog.optimizers._optimizer import Optimizer
from catdog.optimizers.adamw import AdamW
from catdog.optimizers.momentum import Momentum
from catdog.training import updates as module

RATES = np.array([0.1, 0.1, 0.05, 0.05, 0.02, 0.02, 0.01, 0.01], np.float32)
TWO = ("CPU:0", "CPU:1")


def _train(tiny: Any, examples: Any, rates: Any = RATES) -> Any:
    return tiny.steps(tiny.iterator(examples), rates, 0)


def _assert_close(one: Any, other: Any, atol: float = 1e-6) -> None:
    for name, value in one.values().items():
        np.testing.assert_allclose(other.values()[name], value, atol=atol, err_msg=name)


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
    labels = np.arange(8, dtype=np.int32) % 2
    both = {"labels": labels, "targets": np.eye(2, dtype=np.float32)[labels]}
    _train(tiny, tiny_examples(8) | both, RATES[:1])
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


class Plain(Optimizer):
    """weight - rate · gradient: what a test can work out by hand."""

    def update(
        self, weight: Any, gradient: Any, slots: tuple[Any, ...], *, learning_rate: Any, step: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        del step
        return weight - learning_rate * gradient, ()


class Decoupled(Plain):
    """The same, with the decay outside of the gradient."""

    decoupled_decay = True


def _gradients(tiny: Any, examples: Any, seed: Any) -> dict[str, Any]:
    """The gradients of the mean cross-entropy by name, without decay."""
    weights = {weight.path.partition("/")[2]: weight.value for weight in tiny.model.weights}
    with tf.GradientTape() as tape:
        logits = tiny.model(examples["images"], seed=tf.constant(seed, tf.int64))
        target = 0.9 * examples["targets"] + 0.05
        loss = tf.reduce_mean(-tf.reduce_sum(target * tf.nn.log_softmax(logits), axis=1))
    return {name: g.numpy() for name, g in tape.gradient(loss, weights).items()}


@pytest.mark.parametrize("devices", [(), TWO], ids=["one", "two"])
@pytest.mark.parametrize("part", [0.5, 2.0])
def test_gradients_are_cut_to_the_norm_all_together_and_never_lengthened(
    make_tiny: Any, tiny_examples: Any, two_devices: Any, devices: tuple[str, ...], part: float
) -> None:
    examples = tiny_examples(8)
    gradients = _gradients(make_tiny(), examples, [77, 0, 0, 8])
    norm = float(np.sqrt(sum(np.sum(g**2) for g in gradients.values())))
    tiny = make_tiny(devices=devices, optimizer=Plain(), weight_decay=0.0, clip_norm=part * norm)
    before = tiny.values()
    _train(tiny, examples, RATES[:1])
    for name, gradient in gradients.items():
        found = before[f"weights/{name}"] - tiny.values()[f"weights/{name}"]
        np.testing.assert_allclose(found, 0.1 * min(part, 1.0) * gradient, atol=1e-6)


def test_clipping_sees_gradients_as_they_are_under_a_loss_scale(
    make_tiny: Any, tiny_examples: Any
) -> None:
    examples = tiny_examples(64)
    plain, scaled = make_tiny(clip_norm=0.3), make_tiny(clip_norm=0.3, loss_scaling=True)
    _train(plain, examples)
    _train(scaled, examples)
    _assert_close(plain, scaled)


def test_decoupled_decay_shrinks_the_weight_before_the_step(
    make_tiny: Any, tiny_examples: Any
) -> None:
    examples = tiny_examples(8)
    tiny = make_tiny(optimizer=Decoupled(), weight_decay=0.5)
    gradients = _gradients(tiny, examples, [77, 0, 0, 8])
    before = tiny.values()
    _train(tiny, examples, RATES[:1])
    for name, gradient in gradients.items():
        old = before[f"weights/{name}"] * (0.95 if "kernel" in name else 1.0)
        np.testing.assert_allclose(
            tiny.values()[f"weights/{name}"], old - 0.1 * gradient, atol=1e-6, err_msg=name
        )


@pytest.mark.parametrize("devices", [(), TWO], ids=["one", "two"])
def test_the_average_follows_the_weights_by_the_formula(
    make_tiny: Any, tiny_examples: Any, two_devices: Any, devices: tuple[str, ...]
) -> None:
    examples = tiny_examples(64)
    tiny = make_tiny(devices=devices, ema_decay=0.4)
    names = [name for name in tiny.values() if name.startswith("weights/")]
    expected = {name: tiny.values()[name] for name in names}
    iterator = tiny.iterator(examples)
    for step in range(8):
        tiny.steps(iterator, RATES[step : step + 1], step)
        decay = min(0.4, (1 + step) / (10 + step))
        for name in names:
            expected[name] = decay * expected[name] + (1 - decay) * tiny.values()[name]
    for name in names:
        average = tiny.values()[name.replace("weights/", "ema/")]
        np.testing.assert_allclose(average, expected[name], atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        (Momentum(), {"clip_norm": 0.3, "ema_decay": 0.4}),
        (AdamW(), {"ema_decay": 0.9}),
        (Momentum(), {"loss_scaling": True}),
    ],
    ids=["momentum", "adamw", "loss scale"],
)
def test_large_weights_change_by_a_compiled_program_as_all_others_do(
    make_tiny: Any,
    tiny_examples: Any,
    monkeypatch: pytest.MonkeyPatch,
    optimizer: Optimizer,
    settings: dict[str, Any],
) -> None:
    programs = []
    function = tf.function

    def compiled(change: Any, **options: Any) -> Any:
        programs.append(options)
        return function(change, **options)

    examples = tiny_examples(64)
    plain, large = (make_tiny(optimizer=optimizer, **settings) for _ in range(2))
    _train(plain, examples)
    monkeypatch.setattr(module, "_COMPILED_SIZE", 1)
    monkeypatch.setattr(module.tf, "function", compiled)
    _train(large, examples)
    assert programs == [{"jit_compile": True}] * 4
    _assert_close(plain, large)


def test_weights_are_not_compiled_where_they_are_small_or_have_copies(
    make_tiny: Any, two_devices: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module._COMPILED_SIZE == 2**20

    def is_compiled(tiny: Any) -> set[bool]:
        updates = tiny.steps._updates
        return {updates._is_compiled(weight) for weight in updates.weights}

    one, two = make_tiny(), make_tiny(devices=TWO)
    assert is_compiled(one) == {False}
    monkeypatch.setattr(module, "_COMPILED_SIZE", 1)
    assert is_compiled(one) == {True}
    assert is_compiled(two) == {False}


@pytest.mark.parametrize("devices", [(), TWO], ids=["one", "two"])
def test_averages_take_the_place_of_the_weights_and_give_it_back(
    make_tiny: Any, tiny_examples: Any, two_devices: Any, devices: tuple[str, ...]
) -> None:
    tiny = make_tiny(devices=devices, ema_decay=0.9)
    _train(tiny, tiny_examples(64))
    before = tiny.values()
    with pytest.raises(ZeroDivisionError), tiny.steps.averaged():
        for name, value in tiny.values().items():
            if name.startswith("weights/"):
                np.testing.assert_array_equal(value, before[name.replace("weights/", "ema/")])
                assert np.abs(value - before[name]).max() > 0
        raise ZeroDivisionError
    for name, value in tiny.values().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_without_averages_the_weights_stay_where_they_are(make_tiny: Any) -> None:
    tiny = make_tiny()
    before = tiny.values()
    assert not any(name.startswith("ema/") for name in before)
    with tiny.steps.averaged():
        np.testing.assert_array_equal(
            tiny.values()["weights/fc1/kernel"], before["weights/fc1/kernel"]
        )


@pytest.mark.parametrize("devices", [(), TWO], ids=["one", "two"])
@pytest.mark.parametrize("parts", [2, 4])
def test_a_batch_computed_in_parts_is_the_batch_dropout_included(
    make_tiny: Any, tiny_examples: Any, two_devices: Any, devices: tuple[str, ...], parts: int
) -> None:
    examples = tiny_examples(64)
    examples["weights"][61:] = 0.0
    whole, cut = make_tiny(), make_tiny(devices=devices, accumulate_steps=parts)
    results = [_train(tiny, examples) for tiny in (whole, cut)]
    _assert_close(whole, cut)
    np.testing.assert_allclose(results[0].cross_entropies, results[1].cross_entropies, atol=1e-6)
    np.testing.assert_array_equal(results[0].correct, results[1].correct)
    np.testing.assert_array_equal(results[0].examples, results[1].examples)


def test_class_weights_multiply_the_loss_of_their_class(make_tiny: Any, tiny_examples: Any) -> None:
    """The gradient of a weighted batch is the weighted sum of the gradients of its examples."""
    examples = tiny_examples(8)
    tiny = make_tiny(optimizer=Plain(), weight_decay=0.0, class_weights=(0.5, 3.0))
    expected: dict[str, Any] = {}
    for row, label in enumerate(examples["labels"]):
        one = {name: values[row : row + 1] for name, values in examples.items()}
        for name, gradient in _gradients(tiny, one, [77, 0, row, 8]).items():
            part = gradient * (0.5, 3.0)[label] / 8
            expected[name] = expected.get(name, 0.0) + part
    before = tiny.values()
    _train(tiny, examples, RATES[:1])
    for name, gradient in expected.items():
        found = before[f"weights/{name}"] - tiny.values()[f"weights/{name}"]
        np.testing.assert_allclose(found, 0.1 * gradient, atol=1e-6, err_msg=name)
