"""A diagnosis measures every layer, names the one to blame, and leaves the model as it was."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from catdog import parts, registry
from catdog.training import anatomy, culprit, distribution

WIDTH = 0.125
AS_CALLED = ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5", "flatten"]
AS_CALLED += ["fc6", "fc7", "fc8"]
SHALLOW = {"densenet": ("blocks=2-2-2",)}


def _new(name: str, *options: str, dtype: str = "float32") -> Any:
    """A narrow model as if after a step: a last layer of zeros lets no gradient through."""
    description = {
        "name": name,
        "options": (f"width={WIDTH}", *options),
        "num_classes": 2,
        "mean": (120.0, 120.0, 120.0),
        "std": (60.0, 60.0, 60.0),
    }
    model = parts.make_model(description, seed=0, dtype=dtype)
    head = model.layers[-1].kernel
    head.assign(np.random.default_rng(2).normal(scale=0.01, size=head.shape))
    return model


@pytest.fixture(scope="module")
def find() -> Callable[..., Any]:
    """`find(name, *options)`: a model, made once, with its first weights whenever it is asked for.

    Those of bfloat16 stand for both formats: what a layer puts out is then not what it stores.
    """

    @functools.cache
    def made(name: str, options: tuple[str, ...], dtype: str) -> tuple[Any, list[NDArray[Any]]]:
        model = _new(name, *options, dtype=dtype)
        return model, [weight.numpy() for weight in model.weights]

    def make(name: str, *options: str, dtype: str = "float32") -> Any:
        model, values = made(name, options, dtype)
        for weight, value in zip(model.weights, values, strict=True):
            weight.assign(value)
        return model

    return make


def _batch(model: Any, count: int = 8) -> dict[str, Any]:
    """Coarse noise, brighter on the left or on the right half, which tells the classes apart."""
    size = model.image_size
    labels = np.arange(count) % 2
    coarse = np.random.default_rng(0).integers(0, 156, (count, 8, 8, 3))
    for label in (0, 1):
        coarse[labels == label, :, 4 * label : 4 * label + 4] += 100
    fine = np.kron(coarse, np.ones((1, 29, 29, 1)))[:, :size, :size]
    return {
        "images": tf.constant(fine.astype(np.uint8)),
        "targets": tf.one_hot(labels, 2),
        "labels": tf.constant(labels, tf.int32),
        "weights": tf.ones([count]),
    }


def _verdict(model: Any) -> str:
    return culprit.verdict(anatomy.diagnose(model, _batch(model)))


def _state(model: Any) -> list[tuple[int, dict[str, int]]]:
    """Every layer with the objects that its attributes are."""
    layers = [model, *model._flatten_layers(include_self=False)]
    return [(id(layer), {key: id(value) for key, value in vars(layer).items()}) for layer in layers]


@pytest.mark.parametrize("name", registry.names("catdog.models"))
def test_every_layer_and_weight_is_measured_once_and_the_model_stays_as_it_was(
    name: str, find: Callable[..., Any]
) -> None:
    model = find(name, *SHALLOW.get(name, ()), dtype="mixed_bfloat16")
    batch = _batch(model, 4)
    logits, values = model(batch["images"]).numpy(), model.get_weights()
    state = _state(model)
    facts = anatomy.diagnose(model, batch)
    assert _state(model) == state
    np.testing.assert_array_equal(model(batch["images"]), logits)
    for new, old in zip(model.get_weights(), values, strict=True):
        np.testing.assert_array_equal(new, old)

    covered = [f"weights/{layer.name}/{w.name}" for layer in facts for w in layer.weights]
    assert sorted(covered) == sorted(parts.weights(model))
    names = [layer.name for layer in facts]
    assert len(set(names)) == len(names) == 1 + len(model._flatten_layers(include_self=False))
    assert names[:2] == ["images", "conv1"]
    assert names[-1] == model.layers[-1].name
    assert all(np.isfinite([layer.mean_square, layer.differing]).all() for layer in facts)
    assert "live in every layer" in culprit.verdict(facts)


EARLY = {"images": np.zeros((8, 64, 64, 3), np.uint8)}
LATE = {"targets": np.zeros((8, 5), np.float32)}


@pytest.mark.parametrize("broken", [EARLY, LATE], ids=["first layer", "loss"])
def test_the_model_is_given_back_after_a_failure(find: Callable[..., Any], broken: Any) -> None:
    model = find("alexnet")
    state = _state(model)
    with pytest.raises(Exception, match="67 pixels and more" if broken is EARLY else "shape|size"):
        anatomy.diagnose(model, _batch(model) | broken)
    assert _state(model) == state


def test_the_figures_are_those_of_the_layers_called_by_hand(find: Callable[..., Any]) -> None:
    model = find("alexnet")
    model.conv3.bias.assign(np.where(np.arange(48) % 3 == 0, -100.0, 0.0))
    batch = _batch(model)
    facts = {layer.name: layer for layer in anatomy.diagnose(model, batch)}
    pixels = batch["images"].numpy().astype(np.float64)
    centred = pixels - pixels.mean((0, 1, 2))
    assert facts["images"].mean_square == pytest.approx((centred**2).mean(), rel=1e-5)
    x: Any = tf.constant((pixels - 120.0) / 60.0, tf.float32)
    for name in AS_CALLED:
        x = getattr(model, name)(x)
        y = x.numpy().astype(np.float64)
        found = facts[name]
        assert found.mean_square == pytest.approx((y**2).mean(), rel=1e-4)
        around = y.var(axis=0).mean()
        assert found.differing == pytest.approx(around / (y**2).mean(), rel=1e-3)
        dead = (y == 0).reshape(-1, y.shape[-1]).all(axis=0).mean()
        assert found.dead == pytest.approx(dead, abs=1e-6)
    assert facts["conv3"].dead >= 1 / 3


def test_gradients_are_those_of_the_mean_cross_entropy(find: Callable[..., Any]) -> None:
    model = find("alexnet")
    batch = _batch(model)
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
            batch["labels"], model(batch["images"])
        )
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    found = [weight for layer in anatomy.diagnose(model, batch) for weight in layer.weights]
    assert [weight.name for weight in found] == [variable.name for variable in variables]
    for weight, variable, gradient in zip(found, variables, gradients, strict=True):
        assert weight.rank == len(variable.shape)
        assert weight.rms == pytest.approx(np.sqrt((variable.numpy() ** 2).mean()), rel=1e-5)
        expected = np.sqrt((gradient.numpy() ** 2).mean())
        assert weight.gradient_rms == pytest.approx(expected, rel=1e-3)


def test_padding_counts_for_nothing(find: Callable[..., Any]) -> None:
    model = find("alexnet")
    batch = _batch(model)
    padded = {name: tf.concat([value, value[:3]], axis=0) for name, value in batch.items()}
    padded["weights"] = tf.concat([tf.ones([8]), tf.zeros([3])], axis=0)
    assert anatomy.diagnose(model, padded) == anatomy.diagnose(model, batch)
    with pytest.raises(ValueError, match="all padding"):
        anatomy.diagnose(model, batch | {"weights": tf.zeros([8])})


def test_two_devices_give_the_facts_of_one(
    find: Callable[..., Any], two_devices: tuple[str, ...]
) -> None:
    with distribution.make_strategy(("CPU:0", "CPU:1")).scope():
        mirrored = _new("alexnet")
    batch = _batch(mirrored)
    assert anatomy.diagnose(mirrored, batch) == anatomy.diagnose(find("alexnet"), batch)


# What is planted, and how the verdict on it begins.


def _shut(layer: Any) -> None:
    layer.bias.assign(np.full(layer.bias.shape, -100.0))


def _scale(layer: Any, factor: float) -> None:
    layer.kernel.assign(layer.kernel.numpy() * factor)


@pytest.mark.parametrize("name", ["conv3", "fc6"])
def test_a_dead_layer_is_named(find: Callable[..., Any], name: str) -> None:
    model = find("alexnet")
    _shut(getattr(model, name))
    assert _verdict(model).startswith(f"all activations of {name} are 0")


@pytest.mark.parametrize("name", ["conv1", "conv3"])
def test_a_layer_with_weights_of_zero_is_named(find: Callable[..., Any], name: str) -> None:
    model = find("alexnet")
    _scale(getattr(model, name), 0.0)
    assert _verdict(model).startswith(f"all activations of {name} are 0")


def test_the_layer_whose_biases_drown_the_pictures_is_named(find: Callable[..., Any]) -> None:
    model = find("alexnet")
    model.conv4.bias.assign(np.full(model.conv4.bias.shape, 10.0))
    assert _verdict(model).startswith("conv4 hardly tells pictures apart")


def test_the_variant_that_stays_at_chance_for_long_is_accused(find: Callable[..., Any]) -> None:
    published = find("alexnet", "variant=published")
    assert _verdict(published).startswith("conv2 hardly tells pictures apart")


def test_the_layer_that_shrinks_the_activations_is_named(find: Callable[..., Any]) -> None:
    model = find("alexnet")
    _scale(model.conv2, 1e-3)
    assert _verdict(model).startswith("the activations of conv2 have shrunk")


@pytest.mark.parametrize("options", [(), ("variant=modern",)])
def test_healthy_variants_are_not_accused(find: Callable[..., Any], options: tuple[str]) -> None:
    assert "live in every layer" in _verdict(find("alexnet", *options))


def test_a_dead_branch_beside_a_way_around_it_is_not_accused(find: Callable[..., Any]) -> None:
    model = find("resnet")
    block = next(block for block in model.blocks if block.name == "stage2_block2")
    block.conv2.gain.assign(np.zeros(block.conv2.gain.shape))
    assert "live in every layer" in _verdict(model)
    stem = model.conv1
    stem.gain.assign(np.zeros(stem.gain.shape))
    assert _verdict(model).startswith("all activations of conv1 are 0")


@pytest.mark.parametrize(("factor", "seen"), [(0.0, "inf in fc8"), (1e-9, "weights have an RMS")])
def test_the_layer_that_no_gradient_reaches_is_named(
    find: Callable[..., Any], factor: float, seen: str
) -> None:
    model = find("alexnet")
    _scale(model.fc8, factor)
    said = _verdict(model)
    assert "hardly a gradient reaches fc7 and the layers before it" in said
    assert "fc8 after it" in said and seen in said


class _Saturating(keras.Model):
    """Two hidden layers, the second with tanh; uint8 [B, 4, 4, 3] -> logits [B, 2]."""

    image_size = 4

    def __init__(self, dtype: str) -> None:
        super().__init__(name="saturating", dtype=dtype)
        self.flatten = keras.layers.Flatten(dtype=dtype)
        dense = functools.partial(keras.layers.Dense, dtype=dtype)
        start = keras.initializers.GlorotUniform
        self.fc1 = dense(16, activation="relu", kernel_initializer=start(1), name="fc1")
        self.fc2 = dense(8, activation="tanh", kernel_initializer=start(2), name="fc2")
        self.fc3 = dense(2, kernel_initializer=start(3), name="fc3")

    def call(self, images: Any, seed: Any = None) -> Any:
        """Logits of images in 0…255."""
        x = tf.cast(images, self.compute_dtype) / 128.0 - 1.0
        return tf.cast(self.fc3(self.fc2(self.fc1(self.flatten(x)))), tf.float32)


def _saturating(dtype: str = "float32") -> Any:
    model = _Saturating(dtype)
    model(tf.zeros([1, 4, 4, 3], tf.uint8))
    return model


def test_a_saturated_layer_that_still_tells_pictures_apart_is_named() -> None:
    model = _saturating()
    assert "live in every layer" in _verdict(model)
    _scale(model.fc2, 1e4)
    said = _verdict(model)
    assert "hardly a gradient reaches fc2 and the layers before it" in said
    assert "fc3 after it" in said


@pytest.mark.parametrize("factor", [2e-6, 1e3])
def test_gradients_of_float16_are_neither_lost_nor_infinite(factor: float) -> None:
    exact, found = (_kernel_gradients(dtype, factor) for dtype in ("float32", "mixed_float16"))
    if factor < 1:
        assert 0 < min(exact) < 2.0**-24, "float16 has nothing between this and 0"
    else:
        assert max(exact) * 2.0**15 > 65504, "float16 ends there"
    np.testing.assert_allclose(found, exact, rtol=0.1)


def _kernel_gradients(dtype: str, factor: float) -> list[float]:
    model = _saturating(dtype)
    _scale(model.fc3, factor)
    facts = anatomy.diagnose(model, _batch(model))
    return [w.gradient_rms for layer in facts for w in layer.weights if w.rank > 1]
