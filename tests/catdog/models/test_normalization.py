"""Standardised filters and group normalisation, against numpy; a picture never sees its batch."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from catdog.models import _layers, _normalization

Array = NDArray[np.float64]


def _standardized_by_hand(kernel: Array, gain: Array) -> Array:
    flat = kernel.reshape(-1, kernel.shape[-1])
    centred = flat - flat.mean(axis=0)
    return (gain * centred / np.linalg.norm(centred, axis=0)).reshape(kernel.shape)


def _conv(dtype: str = "float32") -> Any:
    layer = _normalization.standardized_conv_layer(
        "c", 5, 3, initial_weights=_layers.normal(0.3, 1), initial_bias=0.5, dtype=dtype
    )
    layer.build((None, 8, 8, 4))
    return layer


def _pictures(*shape: int, mean: float = 0.0) -> Any:
    return tf.constant(np.random.default_rng(0).normal(mean, 1.0, shape).astype(np.float32))


def test_standardised_filters_have_mean_zero_and_the_length_of_their_gain() -> None:
    rng = np.random.default_rng(1)
    kernel, gain = rng.normal(3.0, 0.2, (5, 5, 6, 4)), np.array([1.0, 2.0, 0.5, -1.5])
    found = _normalization.standardized(
        tf.constant(kernel, tf.float32), tf.constant(gain, tf.float32)
    )
    np.testing.assert_allclose(found, _standardized_by_hand(kernel, gain), rtol=1e-3, atol=1e-5)


def test_a_standardised_convolution_is_one_with_the_filters_by_hand() -> None:
    layer, x = _conv(), _pictures(2, 8, 8, 4)
    layer.gain.assign([1.0, 2.0, 0.5, 1.5, 1.0])
    kernel = _standardized_by_hand(layer.kernel.numpy().astype(np.float64), layer.gain.numpy())
    padded = np.pad(x.numpy(), ((0, 0), (1, 1), (1, 1), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    expected = np.maximum(np.einsum("bhwcij,ijcf->bhwf", patches, kernel) + 0.5, 0)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factor", [0.01, 30.0])
def test_the_scale_and_mean_of_a_kernel_change_nothing(factor: float) -> None:
    layer, x = _conv(), _pictures(2, 8, 8, 4)
    before = layer(x)
    layer.kernel.assign(layer.kernel.value * factor + 0.2)
    np.testing.assert_allclose(layer(x), before, rtol=1e-3, atol=1e-3)


def test_a_filter_of_equal_numbers_gives_zeros_and_no_nan() -> None:
    layer, x = _conv(), _pictures(1, 8, 8, 4)
    layer.kernel.assign(tf.ones_like(layer.kernel.value))
    with tf.GradientTape() as tape:
        outputs = layer(x)
        loss = tf.reduce_sum(outputs)
    np.testing.assert_allclose(outputs, np.full((1, 8, 8, 5), 0.5), atol=1e-4)
    assert np.isfinite(tape.gradient(loss, layer.kernel.value)).all()


def test_the_first_gain_keeps_the_deviation_through_a_relu() -> None:
    # Of relu(gain · z) for z from N(0, 1), by a sum over a fine grid.
    z = np.linspace(-9, 9, 180_001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    active = np.maximum(_normalization.RELU_GAIN * z, 0)
    variance = np.sum(density * active**2) - np.sum(density * active) ** 2
    assert variance == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("channels", "groups"),
    [(1, 1), (4, 1), (31, 1), (32, 2), (64, 4), (96, 6), (100, 5), (512, 32)],
)
def test_groups_divide_the_channels_into_16_or_more(channels: int, groups: int) -> None:
    assert _normalization.groups_of(channels) == groups
    assert channels % groups == 0
    assert groups == 1 or channels // groups >= 16


def _normalized_by_hand(x: Array, groups: int, gain: Array, bias: Array) -> Array:
    batch, height, width, channels = x.shape
    grouped = x.reshape(batch, height, width, groups, channels // groups)
    mean = grouped.mean(axis=(1, 2, 4), keepdims=True)
    deviation = np.sqrt(grouped.var(axis=(1, 2, 4), keepdims=True) + 1e-5)
    return ((grouped - mean) / deviation).reshape(x.shape) * gain + bias


def _norm(channels: int, dtype: str = "float32") -> Any:
    layer = _normalization.GroupNorm(dtype=dtype, name="n")
    layer.build((None, 5, 6, channels))
    rng = np.random.default_rng(2)
    layer.gain.assign(rng.uniform(0.5, 2.0, channels))
    layer.bias.assign(rng.normal(size=channels))
    return layer


@pytest.mark.parametrize(("channels", "groups"), [(48, 3), (7, 1)])
def test_group_norm_is_the_formula(channels: int, groups: int) -> None:
    layer, x = _norm(channels), _pictures(3, 5, 6, channels, mean=2.0)
    expected = _normalized_by_hand(
        x.numpy().astype(np.float64), groups, layer.gain.numpy(), layer.bias.numpy()
    )
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_group_norm_and_its_gradients_are_those_of_tensorflows_moments() -> None:
    layer, x = _norm(48), _pictures(3, 5, 6, 48, mean=2.0)
    weights = [layer.gain.value, layer.bias.value]
    pull = _pictures(3, 5, 6, 48)[::-1]
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x) * pull)
    found = tape.gradient(loss, [x, *weights])
    with tf.GradientTape() as tape:
        tape.watch(x)
        grouped = tf.reshape(x, (3, 5, 6, 3, 16))
        mean, variance = tf.nn.moments(grouped, axes=(1, 2, 4), keepdims=True)
        outputs = tf.reshape((grouped - mean) / tf.sqrt(variance + 1e-5), x.shape)
        loss = tf.reduce_sum((outputs * weights[0] + weights[1]) * pull)
    for ours, theirs in zip(found, tape.gradient(loss, [x, *weights]), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_group_norm_of_a_picture_knows_nothing_of_the_others() -> None:
    layer, x = _norm(48), _pictures(3, 5, 6, 48)
    np.testing.assert_allclose(layer(x)[1:2], layer(x[1:2]), rtol=1e-5, atol=1e-5)


def test_a_picture_of_one_number_stays_finite() -> None:
    layer = _norm(48)
    x = tf.fill([1, 5, 6, 48], 1000.0)
    assert np.isfinite(layer(x)).all()


def test_bfloat16_layers_compute_their_statistics_in_float32() -> None:
    # Means of a thousand bfloat16 numbers, added up in bfloat16, would be off by a quarter.
    x = tf.cast(_pictures(2, 24, 24, 48, mean=3.0), tf.bfloat16)
    exact = tf.cast(x, tf.float32)
    narrow, wide = _norm(48, "mixed_bfloat16"), _norm(48)
    assert narrow(x).dtype == tf.bfloat16
    assert narrow.gain.dtype == "float32"
    np.testing.assert_allclose(tf.cast(narrow(x), tf.float32), wide(exact), rtol=2**-8, atol=1e-6)


def test_bfloat16_convolutions_standardise_in_float32() -> None:
    layer, wide = _conv("mixed_bfloat16"), _conv()
    # A mean of 20 deviations: bfloat16 kernels would lose most of what makes filters differ.
    for conv in (layer, wide):
        conv.kernel.assign(conv.kernel.value + 6.0)
    x = _pictures(2, 8, 8, 4)
    found = layer(tf.cast(x, tf.bfloat16))
    assert (found.dtype, layer.kernel.dtype) == (tf.bfloat16, "float32")
    np.testing.assert_allclose(tf.cast(found, tf.float32), wide(x), rtol=0.02, atol=0.03)


@pytest.mark.parametrize("size", [8, 9])
def test_a_strided_filter_of_one_place_sees_every_second_place(size: int) -> None:
    layer = _normalization.StandardizedConv(
        5, 1, initial_weights=_layers.normal(0.3, 1), dtype="float32", name="c", strides=2
    )
    x = _pictures(2, size, size, 4)
    found = layer(x)
    kernel = _standardized_by_hand(layer.kernel.numpy(), layer.gain.numpy())[0, 0]
    np.testing.assert_allclose(found, x.numpy()[:, ::2, ::2] @ kernel, rtol=1e-3, atol=1e-5)


# What is written beyond a buffer is found when memory is next asked for: hence many shapes.
NARROW = """
import itertools
import tensorflow as tf
from catdog.models import _layers, _normalization

for channels, size, batch in itertools.product((4, 6, 20), (8, 9, 28, 56), (2, 3, 4)):
    layer = _normalization.StandardizedConv(
        5, 1, initial_weights=_layers.normal(0.3, 1), dtype="float32", name="c", strides=2
    )
    with tf.GradientTape() as tape:
        outputs = layer(tf.random.normal([batch, size, size, channels]))
        loss = tf.reduce_sum(tf.nn.relu(outputs))
    assert tape.gradient(loss, layer.kernel).shape == (1, 1, channels, 5)
"""


def test_narrow_strided_filters_have_gradients_under_onednn() -> None:
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", NARROW], env=environment, capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()
