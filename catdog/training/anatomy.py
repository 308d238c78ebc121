"""What each layer of a network makes of one batch of pictures, and what comes back to it."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from catdog.training import objective
from catdog.training.culprit import LayerFacts, WeightFacts

# At most: all activations are kept on one device, whatever the size of the batch, and a slow CPU
# shall be back in seconds.
PICTURES = 16

# The gradient of float16 layers underflows without a scale and overflows with too large a one; in
# the other formats a scale by a power of two changes nothing.
_LOSS_SCALES = (2.0**15, 2.0**10, 2.0**5, 1.0)


def _measured(outputs: Any) -> tuple[float, float, float]:
    """mean_square, differing and dead of outputs [B, …]."""
    x = tf.cast(outputs, tf.float32)
    mean_square = float(tf.reduce_mean(tf.square(x)))
    around = float(tf.reduce_mean(tf.square(x - tf.reduce_mean(x, axis=0))))
    zero = tf.reduce_all(x == 0.0, axis=list(range(max(1, x.shape.rank - 1))))
    dead = float(tf.reduce_mean(tf.cast(zero, tf.float32)))
    if x.shape[0] < 2:
        return mean_square, float("nan"), dead
    return mean_square, around / mean_square if mean_square else 0.0, dead


@contextlib.contextmanager
def _observed(layers: Sequence[Any], note: Callable[[Any, Any], None]) -> Iterator[None]:
    """Inside of it `note(layer, outputs)` is called after each call of one of the layers.

    Keras has no hook for it. An attribute of the layer hides its class's `call`; it is put into the
    layer's dictionary and taken out again behind Keras' back, whose own way tracks attributes.
    """

    def noted(layer: Any, outputs: Any) -> Any:
        note(layer, outputs)
        return outputs

    def observing(layer: Any) -> Callable[..., Any]:
        call = layer.call
        # What the layer takes is its own affair: a relay cannot spell it out.
        relay = lambda *args, **named: noted(layer, call(*args, **named))  # noqa: E731
        return functools.wraps(call)(relay)

    before = [vars(layer).get("call") for layer in layers]
    try:
        for layer in layers:
            vars(layer)["call"] = observing(layer)
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            vars(layer).pop("call", None)
            if own is not None:
                vars(layer)["call"] = own


def _inside(path: str) -> str:
    """A path in the model without the model's own name."""
    return path.partition("/")[2]


def _rms(tensor: Any) -> float:
    return float(tf.sqrt(tf.reduce_mean(tf.square(tf.cast(tensor, tf.float32)))))


def _gradients(tape: Any, loss: Any, weights: Sequence[Any]) -> list[Any]:
    """The gradient of `loss` by each weight, float32, with the largest scale that stays finite."""
    for scale in _LOSS_SCALES:
        scaled = tape.gradient(
            loss, weights, tf.constant(scale), unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        if all(bool(tf.reduce_all(tf.math.is_finite(one))) for one in scaled):
            break
    return [one / scale for one in scaled]


def _batch_of(batch: Mapping[str, Any]) -> tuple[Any, Any]:
    """Images and targets of the first rows that are no padding."""
    rows = tf.where(tf.convert_to_tensor(batch["weights"]) > 0.0)[:PICTURES, 0]
    if tf.size(rows) == 0:
        raise ValueError("the batch is all padding; a diagnosis needs pictures")
    return tf.gather(batch["images"], rows), tf.gather(batch["targets"], rows)


def _weight_facts(model: Any, tape: Any, loss: Any) -> dict[str, tuple[WeightFacts, ...]]:
    """{path of a layer: the facts of its own weights}."""
    values = [weight.value for weight in model.trainable_variables]
    found: dict[str, tuple[WeightFacts, ...]] = {}
    gradients = _gradients(tape, loss, values)
    for weight, value, gradient in zip(model.trainable_variables, values, gradients, strict=True):
        layer, _, name = _inside(weight.path).rpartition("/")
        facts = WeightFacts(name, len(value.shape), _rms(value), _rms(gradient))
        found[layer] = (*found.get(layer, ()), facts)
    return found


def diagnose(model: Any, batch: Mapping[str, Any]) -> list[LayerFacts]:
    """The facts of the images, then of every layer that has an output, in the order of their calls.

    Dropout is off: its masks would make pictures differ that do not. A layer that holds others
    comes after them; a layer that is called again comes again. The images stand first, as a layer
    "images" without weights, in pixels and with the mean of each channel taken away. The model is
    as it was afterwards.

    Args:
      model: a model of the room `catdog.models`, with its weights made.
      batch: what training gets: "images", uint8 [B, size, size, 3]; "targets", float32 [B, C];
        "weights", float32 [B], 0 for padding. The first 16 rows without padding are used.
    """
    images, targets = _batch_of(batch)
    pixels = tf.cast(images, tf.float32)
    noted = [("images", _measured(pixels - tf.reduce_mean(pixels, axis=(0, 1, 2))))]

    def note(layer: Any, outputs: Any) -> None:
        first = tf.nest.flatten(outputs)[0]
        if tf.is_tensor(first) and first.dtype.is_floating and first.shape[:1] == images.shape[:1]:
            with tape.stop_recording():
                # Keras gives layers without weights no path.
                name = _inside(layer.path) if layer.path else layer.name
                noted.append((name, _measured(first)))

    layers = model._flatten_layers(include_self=False)
    with tf.GradientTape(persistent=True) as tape, _observed(layers, note):
        losses = objective.cross_entropies(targets, model(images), label_smoothing=0.0)
        loss = tf.reduce_mean(losses)
    weights = _weight_facts(model, tape, loss)
    return [LayerFacts(name, *measured, weights.get(name, ())) for name, measured in noted]
