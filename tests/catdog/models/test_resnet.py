"""ResNet: the parameters counted by hand, a block written again in numpy, its options."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog.errors import UsageError
from catdog.models.resnet import ResNet

MEAN, STD = (124.0, 116.0, 106.0), (66.0, 65.0, 67.0)


def _model(*, depth: int = 18, width: float = 0.1) -> Any:
    model = ResNet(num_classes=2, mean=MEAN, std=STD, seed=3, depth=depth, width=width)
    model(tf.zeros([1, 224, 224, 3], tf.uint8))
    return model


@pytest.mark.parametrize(("depth", "blocks"), [(18, (2, 2, 2, 2)), (34, (3, 4, 6, 3))])
def test_parameters_are_those_of_its_stages(depth: int, blocks: tuple[int, ...]) -> None:
    filters = [8, 16, 32, 64]
    expected = 7 * 7 * 3 * filters[0] + filters[0]  # each filter has a gain
    inputs = filters[0]
    for count, outputs in zip(blocks, filters, strict=True):
        for _ in range(count):
            expected += 2 * inputs + 9 * inputs * outputs + outputs
            expected += 2 * outputs + 9 * outputs * outputs + outputs
            expected += inputs * outputs + outputs if inputs != outputs else 0
            inputs = outputs
    expected += 2 * inputs + (inputs + 1) * 2
    assert _model(depth=depth, width=0.125).count_params() == expected


def test_a_block_is_its_input_plus_two_normalised_convolutions() -> None:
    block = _model().blocks[0]
    channels = block.conv1.kernel.shape[2]
    x = np.random.default_rng(0).normal(size=(2, 6, 6, channels)).astype(np.float32)

    def convolved(x: Any, layer: Any) -> Any:
        mean, variance = (f(x, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.var))
        x = np.maximum((x - mean) / np.sqrt(variance + 1e-5), 0)
        kernel = layer.kernel.numpy() - layer.kernel.numpy().mean(axis=(0, 1, 2))
        kernel *= layer.gain.numpy() / np.sqrt(np.sum(kernel**2, axis=(0, 1, 2)))
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        return np.einsum("bhwcij,ijcf->bhwf", patches, kernel)

    expected = x + convolved(convolved(x, block.conv1), block.conv2)
    np.testing.assert_allclose(block(tf.constant(x)), expected, rtol=1e-3, atol=1e-3)


def test_stages_halve_the_picture_and_double_the_filters() -> None:
    model = _model(width=0.125)
    x, shapes = tf.zeros([1, 56, 56, 8]), []
    for block in model.blocks:
        x = block(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes[1::2] == [(56, 56, 8), (28, 28, 16), (14, 14, 32), (7, 7, 64)]


def test_the_first_loss_is_that_of_a_guess() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    np.testing.assert_array_equal(_model()(images), np.zeros((2, 2)))


@pytest.mark.parametrize("options", [{"depth": 50}, {"width": 0.0}], ids=str)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        ResNet(num_classes=2, mean=MEAN, std=STD, seed=0, **options)
