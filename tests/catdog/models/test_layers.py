"""The layers: initial values as named, dropout that knows nothing of devices, groups, responses."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from catdog.models import _layers
from catdog.training import distribution

SEED = (2**40 + 7, 3)


def _dropped(
    inputs: Any,
    seed: tuple[int, int],
    *,
    first: int = 0,
    rows: int | None = None,
    salt: int = 6,
    rate: float = 0.5,
) -> Any:
    layer = _layers.Dropout(rate, salt=salt, dtype="float32", name="dropout")
    place = (*seed, first, len(inputs) if rows is None else rows)
    return layer(tf.constant(inputs), seed=tf.constant(place, tf.int64)).numpy()


def test_dropout_zeroes_its_share_and_doubles_the_rest() -> None:
    found = _dropped(np.ones((64, 500), np.float32), SEED)
    assert set(np.unique(found)) == {0.0, 2.0}
    # 32,000 fair coins: the standard error of the share is 0.0028.
    assert np.mean(found == 0) == pytest.approx(0.5, abs=0.012)
    quarter = _dropped(np.ones((64, 500), np.float32), SEED, rate=0.25)
    assert np.mean(quarter == 0) == pytest.approx(0.25, abs=0.012)
    assert quarter.max() == pytest.approx(4 / 3)


def test_dropout_is_off_without_a_seed() -> None:
    inputs = tf.constant([[1.0, 2.0]])
    layer = _layers.Dropout(0.5, salt=6, dtype="float32", name="dropout")
    np.testing.assert_array_equal(layer(inputs, seed=None), inputs)


def test_masks_repeat_for_the_same_seed_and_differ_between_steps_layers_and_rows() -> None:
    ones = np.ones((16, 64), np.float32)
    first = _dropped(ones, SEED)
    np.testing.assert_array_equal(first, _dropped(ones, SEED))
    for other in (
        _dropped(ones, (SEED[0], SEED[1] + 1)),
        _dropped(ones, (SEED[0] + 100, SEED[1])),
        _dropped(ones, SEED, salt=7),
        np.roll(first, 1, axis=0),
    ):
        assert 0.4 < np.mean(first != other) < 0.6


@pytest.mark.parametrize("cuts", [[4], [1, 4, 6]], ids=str)
def test_parts_of_a_batch_get_the_masks_of_the_whole(cuts: list[int]) -> None:
    inputs = np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32)
    parts = zip([0, *cuts], np.split(inputs, cuts), strict=True)
    found = [_dropped(part, SEED, first=first, rows=8) for first, part in parts]
    np.testing.assert_array_equal(np.concatenate(found), _dropped(inputs, SEED))


def test_parts_get_the_masks_of_the_whole_under_xla_too() -> None:
    # XLA has a generator of its own: its masks are other ones, and of the whole batch all the same.
    inputs = np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32)
    layer = _layers.Dropout(0.5, salt=6, dtype="float32", name="dropout")

    @tf.function(jit_compile=True)
    def compiled(part: Any, step: Any, first: Any) -> Any:
        place = [tf.constant(SEED[0], tf.int64), step, tf.cast(first, tf.int64)]
        return layer(part, seed=tf.stack([*place, tf.constant(8, tf.int64)]))

    step = tf.constant(SEED[1], tf.int64)
    parts = [compiled(inputs[first : first + 4], step, tf.constant(first)) for first in (0, 4)]
    whole = compiled(inputs, step, tf.constant(0)).numpy()
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert 0.4 < np.mean(whole == 0) < 0.6


def test_masks_are_equal_on_one_and_on_two_devices(two_devices: tuple[str, ...]) -> None:
    strategy = distribution.make_strategy(("CPU:0", "CPU:1"))
    with strategy.scope():
        layer = _layers.Dropout(0.5, salt=6, dtype="float32", name="dropout")
    inputs = np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32)
    halves = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(np.split(inputs, 2)[context.replica_id_in_sync_group])
    )

    def part(values: Any) -> Any:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        place = [*SEED, tf.cast(replica, tf.int64) * 4, 8]
        return layer(values, seed=tf.stack([tf.cast(number, tf.int64) for number in place]))

    @tf.function
    def both(values: Any) -> Any:
        return strategy.gather(strategy.run(part, args=(values,)), axis=0)

    np.testing.assert_array_equal(both(halves), _dropped(inputs, SEED))


def test_initial_values_have_the_spread_that_they_name() -> None:
    normal = _layers.normal(0.005, seed=1)([400, 400]).numpy()
    assert normal.std() == pytest.approx(0.005, rel=0.01)
    assert abs(normal.mean()) < 5e-5
    he = _layers.fan_in_normal(2.0, seed=1)([3, 3, 50, 300]).numpy()
    assert he.std() == pytest.approx(np.sqrt(2 / (3 * 3 * 50)), rel=0.01)


@pytest.mark.parametrize("shape", [[5, 5, 16, 300], [400, 300]])
def test_centered_values_of_a_unit_do_not_see_what_its_inputs_share(shape: list[int]) -> None:
    drawn = _layers.fan_in_normal(2.0, seed=1)(shape).numpy()
    centered = _layers.Centered(_layers.fan_in_normal(2.0, seed=1))(shape).numpy()
    inputs = tuple(range(len(shape) - 1))
    assert abs(drawn.sum(axis=inputs)).max() > 1.0
    np.testing.assert_allclose(centered.sum(axis=inputs), 0.0, atol=1e-4)
    np.testing.assert_allclose(centered, drawn - drawn.mean(axis=inputs), atol=1e-6)


def test_layers_are_what_they_say() -> None:
    ones = tf.ones([1, 13, 13, 2])
    options: Any = {"initial_weights": _layers.normal(0.01, 0), "dtype": "float32"}
    convolved = _layers.conv_layer("c", 4, 5, initial_bias=-1.0, **options)(ones)
    assert convolved.shape == (1, 13, 13, 4)
    assert np.all(convolved.numpy() == 0.0), "ReLU cuts what the bias makes negative"
    assert _layers.max_pool("p", dtype="float32")(ones).shape == (1, 6, 6, 2)
    flat = tf.zeros([2, 7])
    dense = _layers.fc_layer("f", 3, initial_bias=-1.0, activation=None, **options)(flat)
    np.testing.assert_array_equal(dense, np.full((2, 3), -1.0))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_local_response_is_the_papers_formula(dtype: str) -> None:
    # Deviation 60, so that the sum of squares weighs as much as the constant.
    x = np.random.default_rng(0).normal(scale=60, size=(2, 3, 4, 7)).astype(np.float32)
    x = tf.cast(x, dtype)
    a = tf.cast(x, tf.float32).numpy().astype(np.float64)
    expected = np.empty_like(a)
    for i in range(7):
        near = a[..., max(0, i - 2) : min(6, i + 2) + 1]
        expected[..., i] = a[..., i] / (2 + 1e-4 * np.sum(near**2, axis=-1)) ** 0.75
    found = _layers.local_response(x)
    assert found.dtype == dtype
    tolerance = 1e-5 if dtype == "float32" else 2**-8
    np.testing.assert_allclose(tf.cast(found, tf.float64), expected, rtol=tolerance, atol=1e-6)


def _grouped() -> tuple[Any, Any]:
    """A grouped layer of 5×5, with weights, and pictures for it."""
    layer = _layers.grouped_conv_layer(
        "g", 6, 5, initial_weights=_layers.normal(0.1, 1), initial_bias=0.25, dtype="float32"
    )
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 9, 9, 4)).astype(np.float32))
    layer.build(x.shape)
    return layer, x


def test_a_grouped_convolution_is_two_convolutions_of_half_the_channels() -> None:
    layer, x = _grouped()
    kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
    assert (kernel.shape, bias.tolist()) == ((5, 5, 2, 6), [0.25] * 6)
    padded = np.pad(x.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))
    halves = [
        np.einsum("bhwcij,ijcf->bhwf", patches[:, :, :, own], kernel[..., made])
        for own, made in ((slice(0, 2), slice(0, 3)), (slice(2, 4), slice(3, 6)))
    ]
    expected = np.maximum(np.concatenate(halves, axis=3) + bias, 0)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_a_grouped_convolution_and_its_gradients_are_those_of_keras() -> None:
    layer, x = _grouped()
    other = keras.layers.Conv2D(6, 5, padding="same", groups=2, activation="relu")
    other.build(x.shape)
    other.set_weights(layer.get_weights())
    results = []
    for conv in (layer, other):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = conv(x)
            loss = tf.reduce_sum(outputs**2)
        results.append([outputs, *tape.gradient(loss, [x, conv.kernel.value, conv.bias.value])])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_layer_seeds_of_two_models_have_none_in_common() -> None:
    seeds = [[next(stream) for _ in range(1024)] for stream in map(_layers.layer_seeds, (0, 1, 7))]
    assert len({number for own in seeds for number in own}) == 3 * 1024
    assert 0 <= next(_layers.layer_seeds(2**62)) < 2**31


def test_a_channel_of_one_colour_is_not_divided_by_nothing() -> None:
    scale = _layers.deviations([0.0, 60.0, 70.5])
    images = tf.constant([[[[0, 120, 141]]]], tf.uint8)
    scaled = _layers.scaled(images, [0.0, 60.0, 0.0], scale, "bfloat16")
    assert scaled.dtype == tf.bfloat16
    np.testing.assert_array_equal(tf.cast(scaled, tf.float32), [[[[0.0, 1.0, 2.0]]]])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_scaled_pictures_are_those_of_the_formula_bit_for_bit(dtype: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3)).astype(np.uint8)
    mean, scale = np.float32([124.3, 116.7, 106.1]), np.float32([66.1, 65.2, 67.4])
    found = _layers.scaled(tf.constant(images), mean.tolist(), scale.tolist(), dtype)
    wanted = tf.cast((images.astype(np.float32) - mean) / scale, dtype)
    np.testing.assert_array_equal(tf.cast(found, tf.float32), tf.cast(wanted, tf.float32))


@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_stretched_maps_are_those_of_tensorflows_bilinear_resizing(size: int) -> None:
    maps = np.random.default_rng(size).normal(size=(2, size, size, 5)).astype(np.float32)
    wanted = tf.image.resize(maps, [6, 6], method="bilinear")
    np.testing.assert_allclose(_layers.stretched(tf.constant(maps), 6), wanted, atol=1e-6)


def test_maps_of_the_right_size_are_not_changed() -> None:
    maps = tf.constant(np.random.default_rng(0).normal(size=(2, 6, 6, 5)), tf.float32)
    np.testing.assert_array_equal(_layers.stretched(maps, 6), maps)
