"""Which layer is to blame for a network that learns nothing."""

import dataclasses
import math
from collections.abc import Sequence

# Of the share of differences that the images themselves have (0.96 in photographs), a tenth or
# more arrives at fc7 of AlexNets that learn; in `published`, which stays at chance for long, it
# falls to 0.02 at conv2 and below 0.001 at conv4. docs/troubleshooting.md has the table and its
# program.
_LEAST_DIFFERING = 0.03
# By the same program mean squares are 0.2 to 5 in the one kind, 0.001 at the least in the other;
# weight decay may take them down further in a network that goes on learning.
_LEAST_MEAN_SQUARE = 1e-5
# At a rate of 0.01 and a momentum of 0.9 such a gradient moves its weights by 1e-7 of their size a
# step, and float32 rounds to 6e-8 of it.
_LEAST_RELATIVE_GRADIENT = 1e-6


@dataclasses.dataclass(frozen=True)
class WeightFacts:
    """One weight of a layer, and its part of the gradient of the mean cross-entropy.

    Attributes:
      name: as in "kernel".
      rank: number of its axes; 1 for a bias.
      rms: square root of the mean of its squares.
      gradient_rms: the same of its gradient.
    """

    name: str
    rank: int
    rms: float
    gradient_rms: float

    @property
    def relative_gradient(self) -> float:
        """The gradient's RMS in units of the weight's; infinite beside weights of zero."""
        if self.rms == 0.0:
            return float("inf") if self.gradient_rms else 0.0
        return self.gradient_rms / self.rms


@dataclasses.dataclass(frozen=True)
class LayerFacts:
    """What one layer makes of a batch.

    Attributes:
      name: its path in the model, as in checkpoints: "stage1_block1/conv1".
      mean_square: of its outputs.
      differing: the share of `mean_square` that is left when the mean over the pictures is taken
        away from each output; 0 for outputs of zero, NaN for a single picture.
      dead: the share of its channels that are zero at every place of every picture.
      weights: its own weights, without those of layers inside of it.
    """

    name: str
    mean_square: float
    differing: float
    dead: float
    weights: tuple[WeightFacts, ...]


def _is_finite(layer: LayerFacts) -> bool:
    numbers = [layer.mean_square, *[weight.gradient_rms for weight in layer.weights]]
    return all(map(math.isfinite, numbers))


def _lost_pictures(layers: Sequence[LayerFacts]) -> str:
    """What to say where the layers from one on, the last with weights left out, lose the pictures.

    A layer that is dead beside a way around it, as in a residual block, is not to blame: what
    counts is that nothing comes after it that tells pictures apart. The last layer with weights
    makes the logits, which are nearly the same for all pictures in any run at chance.
    """
    last = max(place for place, layer in enumerate(layers) if layer.weights)
    least = _LEAST_DIFFERING * layers[0].differing
    first = last
    while first > 1 and (
        layers[first - 1].differing < least or layers[first - 1].mean_square < _LEAST_MEAN_SQUARE
    ):
        first -= 1
    if first == last:
        return ""
    layer, before = layers[first], layers[first - 1]
    if layer.dead == 1.0:
        return (
            f"all activations of {layer.name} are 0 (in {before.name}, before it, {before.dead:.0%}"
            " of the channels are): its weights and biases keep its ReLUs shut; try a lower "
            "--learning_rate, a longer warm-up or other initial values"
        )
    if layer.differing < least:
        return (
            f"{layer.name} hardly tells pictures apart: {layer.differing:.2g} of its activations' "
            f"mean square differs between them, {before.differing:.2g} in {before.name} before it; "
            "what all pictures have in common drowns them, such as biases large beside its "
            "weights; try other initial values"
        )
    return (
        f"the activations of {layer.name} have shrunk to a mean square of {layer.mean_square:.2g}, "
        f"from {before.mean_square:.2g} in {before.name} before it: its weights are too small; try "
        "other initial values"
    )


def _lost_gradients(layers: Sequence[LayerFacts]) -> str:
    """What to say where no gradient comes to the layers between the images and some layer."""
    kernels = [
        (layer.name, weight) for layer in layers for weight in layer.weights if weight.rank > 1
    ]
    lost = 0
    while lost < len(kernels) and kernels[lost][1].relative_gradient < _LEAST_RELATIVE_GRADIENT:
        lost += 1
    if not lost:
        return ""
    name, weight = kernels[lost - 1]
    text = (
        f"the activations live, but hardly a gradient reaches {name}"
        f"{' and the layers before it' if lost > 1 else ''}: {weight.relative_gradient:.2g} of its "
        "weights' size"
    )
    if lost == len(kernels):
        return text
    name, weight = kernels[lost]
    return (
        f"{text}, {weight.relative_gradient:.2g} in {name} after it, whose weights have an RMS of "
        f"{weight.rms:.2g}; try other initial values or a network that is less deep"
    )


def _dead_layer(layers: Sequence[LayerFacts]) -> str:
    """A remark on the layer with the most dead channels, where more than half of them are."""
    worst = max((layer for layer in layers if layer.weights), key=lambda layer: layer.dead)
    if not 0.5 < worst.dead < 1.0:
        return ""
    return f" ({worst.dead:.1%} of the channels of {worst.name} are 0 for all pictures)"


def verdict(layers: Sequence[LayerFacts]) -> str:
    """One sentence on why the network learns nothing, by the facts of `diagnose`.

    It names the first layer from which on nothing tells the pictures apart; or else the layer, met
    first on the way back, from which on no gradient comes through; or else says that both live.
    """
    for layer in layers:
        if not _is_finite(layer):
            return f"{layer.name} has activations or gradients that are not finite"
    if layers[0].differing == 0.0:
        return "the pictures of the batch are all the same"
    found = _lost_pictures(layers) or _lost_gradients(layers)
    if found:
        return f"{found}{_dead_layer(layers)}"
    return (
        "activations and gradients live in every layer; suspect the --learning_rate, too high or "
        f"too low, or labels that do not belong to their pictures{_dead_layer(layers)}"
    )
