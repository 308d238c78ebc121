"""What the variants of AlexNet are made of; the class in `alexnet` says what they are."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from catdog.models import _layers, _normalization

_FC8 = 7
_AFTER_POOLING = (1, 2, 5)  # conv2, conv3, fc6
_AFTER_RELU = (1, 2, 3, 4, 5, 6)  # conv2 … conv5, fc6, fc7; fc8 starts from zeros
_FC8_LENGTH = 8.0  # of what fc8 reads in `modern`, without dropout

# Initial biases of conv1 … conv5, fc6, fc7, fc8 in the original post, and in the paper.
_PUBLISHED_BIASES = (0.0, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1, 0.0)
_PUBLISHED_STDDEVS = (0.01, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005, 0.01)
_PAPER_BIASES = (0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0)

Layer = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Variant:
    """The parts in which variants differ.

    Attributes:
      input_scale: what (x - mean) is divided by, from the standard deviations of the channels.
      initial: (place, seed) -> keywords of a layer; places are conv1 … conv5, fc6 … fc8.
      convs: a builder for each of conv1 … conv5, called as `_layers.conv_layer` is.
      after_relu: what follows conv1 and conv2, before their poolings.
      after_pool: (name, dtype) -> what follows pool1, pool2 and pool5.
      after_fc: what follows fc6 and fc7, before their dropouts.
      before_fc8: what follows the second dropout.
      multiple: of what the numbers of filters and units are multiples.
      second_dropout: whether the dropout behind fc7 is alive.
    """

    input_scale: Callable[[Sequence[float]], list[float]]
    initial: Callable[[int, int], dict[str, Any]]
    convs: tuple[Callable[..., Layer], ...] = (_layers.conv_layer,) * 5
    after_relu: Layer = _layers.unchanged
    after_pool: Callable[[str, Any], Layer] = lambda name, dtype: _layers.unchanged
    after_fc: Layer = _layers.unchanged
    before_fc8: Layer = _layers.unchanged
    multiple: int = 1
    second_dropout: bool = True


def _published(place: int, seed: int) -> dict[str, Any]:
    weights = _layers.normal(_PUBLISHED_STDDEVS[place], seed)
    return {"initial_weights": weights, "initial_bias": _PUBLISHED_BIASES[place]}


def _paper(place: int, seed: int) -> dict[str, Any]:
    # With the paper's own N(0, 0.01²), or He's values as they are, its biases of 1 drown the
    # picture on the way to fc7 (BUILD_NOTES.md has the figures); centered weights do not see them.
    initial = _from_zeros_at_fc8(place, seed, 2.0) | {"initial_bias": _PAPER_BIASES[place]}
    if place in _AFTER_RELU:
        initial["initial_weights"] = _layers.Centered(initial["initial_weights"])
    return initial


def _fixed(place: int, seed: int) -> dict[str, Any]:
    # A max pooling about doubles the mean square of what passes (BUILD_NOTES.md has the figures),
    # which He's derivation does not know; half his variance after it keeps the scale.
    variance = 1.0 if place in _AFTER_POOLING else 2.0
    return _from_zeros_at_fc8(place, seed, variance)


def _modern(place: int, seed: int) -> dict[str, Any]:
    # What comes out of a pooling is normalised, so that He's variance is right everywhere. The
    # length of a standardised filter changes no output, but how far a step turns it.
    return _from_zeros_at_fc8(place, seed, 2.0)


def _from_zeros_at_fc8(place: int, seed: int, variance: float) -> dict[str, Any]:
    # fc8 feeds no ReLU: He's values would give logits far from zero; from zeros the first loss is
    # ln C.
    weights = "zeros" if place == _FC8 else _layers.fan_in_normal(variance, seed)
    return {"initial_weights": weights, "initial_bias": 0.0}


def _shortened(inputs: Any) -> Any:
    """What has a mean square of 1 gets a length of 8, whatever its size; (B, D) -> (B, D)."""
    # A step moves the logits by its rate times the squared length: as long as 4096 units are, fc8
    # overshoots at rates that the other layers need.
    factor = _FC8_LENGTH / math.sqrt(inputs.shape[-1])
    return inputs * tf.cast(factor, inputs.dtype)


def _to_one(std: Sequence[float]) -> list[float]:
    return [255.0] * len(std)


def _group_norm(name: str, dtype: Any) -> Layer:
    layer: Layer = _normalization.GroupNorm(dtype=dtype, name=name)
    return layer


_GROUPED = _layers.grouped_conv_layer

VARIANTS = {
    "fixed": Variant(input_scale=_layers.deviations, initial=_fixed),
    "published": Variant(input_scale=_to_one, initial=_published, second_dropout=False),
    "paper": Variant(
        input_scale=_layers.deviations,
        initial=_paper,
        convs=(_layers.conv_layer, _GROUPED, _layers.conv_layer, _GROUPED, _GROUPED),
        after_relu=_layers.local_response,
        multiple=2,
    ),
    "modern": Variant(
        input_scale=_layers.deviations,
        initial=_modern,
        convs=(_normalization.standardized_conv_layer,) * 5,
        after_pool=_group_norm,
        after_fc=_normalization.normalized_features,
        before_fc8=_shortened,
    ),
}
