"""DenseNet: the parameters counted by hand, what layers pass on, its options."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog.errors import UsageError
from catdog.models.densenet import DenseNet

MEAN, STD = (124.0, 116.0, 106.0), (66.0, 65.0, 67.0)


def _model(**options: Any) -> Any:
    model = DenseNet(num_classes=2, mean=MEAN, std=STD, seed=3, **options)
    model(tf.zeros([1, 224, 224, 3], tf.uint8))
    return model


@pytest.fixture(scope="module")
def small() -> Any:
    """Two blocks of two and one layers, each of which adds four channels."""
    return _model(growth=4, blocks="2-1")


def _parameters(growth: int, blocks: tuple[int, ...]) -> int:
    channels = 2 * growth
    count = 7 * 7 * 3 * channels + channels  # each filter has a gain
    for place, layers in enumerate(blocks):
        if place:
            count += 2 * channels + channels * (channels // 2) + channels // 2
            channels //= 2
        for _ in range(layers):
            count += 2 * channels + channels * 4 * growth + 4 * growth
            count += 2 * 4 * growth + 9 * 4 * growth * growth + growth
            channels += growth
    return count + 2 * channels + (channels + 1) * 2


def test_parameters_are_those_of_its_blocks(small: Any) -> None:
    assert small.count_params() == _parameters(4, (2, 1))
    assert len(small.blocks) == 4


def test_densenet_121_has_121_layers_with_kernels_in_the_papers_number() -> None:
    model = DenseNet(num_classes=1000, mean=MEAN, std=STD, seed=0)
    kernels = 1 + sum(2 if hasattr(layer, "conv2") else 1 for layer in model.blocks) + 1
    assert kernels == 121
    # The paper's 8.0 million, which has a gain and a bias for each input of a convolution as here;
    # the gains of the filters come on top.
    assert _parameters(32, (6, 12, 24, 16)) + 1025 * 998 == pytest.approx(7_978_856, rel=0.005)


def test_a_layer_adds_its_channels_behind_the_old_ones(small: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 8)).astype(np.float32)
    found = small.blocks[0](tf.constant(x)).numpy()
    assert found.shape == (2, 6, 6, 12)
    np.testing.assert_array_equal(found[..., :8], x)
    assert np.ptp(found[..., 8:]) > 0.1


def test_a_transition_averages_squares_of_four_and_halves_the_channels(small: Any) -> None:
    transition = small.blocks[2]
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 6, 6, 16)).astype(np.float32))
    found = transition(x).numpy()
    whole = transition.conv(tf.nn.relu(transition.norm(x))).numpy()
    expected = whole.reshape(2, 3, 2, 3, 2, 8).mean(axis=(2, 4))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_the_first_loss_is_that_of_a_guess(small: Any) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    np.testing.assert_array_equal(small(images), np.zeros((2, 2)))


@pytest.mark.parametrize(
    "options",
    [{"growth": 0}, {"width": 0.0}, *[{"blocks": b} for b in ("", "6-x", "6-0", "1-1-1-1-1-1")]],
    ids=str,
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        DenseNet(num_classes=2, mean=MEAN, std=STD, seed=0, **options)
