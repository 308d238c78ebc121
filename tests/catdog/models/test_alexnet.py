"""AlexNet: the published numbers, a forward pass written again in numpy, the dead dropout."""

import types
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from catdog.errors import UsageError
from catdog.models import _layers
from catdog.models.alexnet import AlexNet
from catdog.training import anatomy, objective

MEAN, STD = (124.0, 116.0, 106.0), (66.0, 65.0, 67.0)

Array = NDArray[np.float64]


def _model(
    variant: str, *, width: float = 0.02, dropout: float = 0.5, dtype: str = "float32"
) -> Any:
    model = AlexNet(
        num_classes=2,
        mean=MEAN,
        std=STD,
        seed=3,
        dtype=dtype,
        variant=variant,
        width=width,
        dropout=dropout,
    )
    model(tf.zeros([1, 227, 227, 3], tf.uint8))
    return model


@pytest.fixture(scope="module")
def published() -> Any:
    """The published network at its full width."""
    return _model("published", width=1.0)


@pytest.fixture
def images() -> NDArray[np.uint8]:
    """Three pictures of coarse noise."""
    rng = np.random.default_rng(0)
    return np.kron(rng.integers(0, 256, (3, 29, 29, 3)), np.ones((1, 8, 8, 1)))[
        :, :227, :227
    ].astype(np.uint8)


def test_published_has_58_289_538_parameters(published: Any) -> None:
    shapes = [tuple(weight.shape) for weight in published.trainable_variables]
    assert sum(int(np.prod(shape)) for shape in shapes) == 58_289_538
    assert len(published.weights) == len(shapes), "mean and std are constants, no weights"


def test_published_starts_at_a_loss_of_1_1505(published: Any, images: NDArray[np.uint8]) -> None:
    weights = [weight.value for weight in published.trainable_variables]
    decayed = [
        [w for w in weights if objective.is_decayed(w.shape, decay_biases=biases)]
        for biases in (True, False)
    ]
    # As many cats as dogs, as in the original's batches: all pictures look alike to it still.
    logits = published(np.repeat(images[:2], 2, axis=0))
    targets = tf.one_hot([0, 1, 0, 1], 2)
    entropies = objective.cross_entropies(targets, logits, label_smoothing=0.0)
    entropy = float(tf.reduce_mean(entropies))
    with_biases, without = (entropy + 5e-4 * float(objective.half_squares(d)) for d in decayed)
    assert entropy == pytest.approx(np.log(2), abs=0.003)
    assert with_biases == pytest.approx(1.1505, abs=0.003)
    assert without == pytest.approx(1.128, abs=0.003)


def test_published_starts_from_the_originals_values(published: Any) -> None:
    layers = [getattr(published, f"conv{n}") for n in range(1, 6)]
    layers += [published.fc6, published.fc7, published.fc8]
    biases = [0.0, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1, 0.0]
    deviations = [0.01] * 5 + [0.005, 0.005, 0.01]
    for layer, bias, deviation in zip(layers, biases, deviations, strict=True):
        assert np.all(layer.bias.numpy() == np.float32(bias)), layer.name
        assert layer.kernel.numpy().std() == pytest.approx(deviation, rel=0.03), layer.name


def _conv(x: Array, layer: Any, *, stride: int = 1, same: bool = True) -> Array:
    kernel = layer.kernel.numpy().astype(np.float64)
    if same:
        edge = kernel.shape[0] // 2
        x = np.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(1, 2))
    patches = patches[:, ::stride, ::stride]  # (B, H, W, C, k, k)
    return np.maximum(np.einsum("bhwcij,ijcf->bhwf", patches, kernel) + layer.bias.numpy(), 0)


def _pool(x: Array) -> Array:
    patches = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return patches[:, ::2, ::2].max(axis=(-2, -1))


def _dense(x: Array, layer: Any) -> Array:
    return x @ layer.kernel.numpy().astype(np.float64) + layer.bias.numpy()


def _forward(model: Any, x: Array) -> Array:
    """Logits of the scaled input x [B, 227, 227, 3], without dropout."""
    x = _pool(_conv(x, model.conv1, stride=4, same=False))
    x = _pool(_conv(x, model.conv2))
    x = _conv(_conv(_conv(x, model.conv3), model.conv4), model.conv5)
    x = _pool(x).reshape(len(x), -1)
    x = np.maximum(_dense(x, model.fc6), 0)
    return _dense(np.maximum(_dense(x, model.fc7), 0), model.fc8)


def _let_pictures_through(model: Any) -> None:
    """Other weights: the initial ones hardly do it, at a small width or with zeros in fc8."""
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        fan_in = np.prod(weight.shape[:-1])
        weight.assign(rng.normal(scale=np.sqrt(2 / fan_in) * 0.9, size=weight.shape))


@pytest.mark.parametrize(("variant", "scale"), [("fixed", STD), ("published", (255.0,) * 3)])
def test_logits_equal_a_forward_pass_in_numpy(
    variant: str, scale: tuple[float, ...], images: NDArray[np.uint8]
) -> None:
    model = _model(variant, width=0.04)
    _let_pictures_through(model)
    expected = _forward(model, (images.astype(np.float64) - MEAN) / np.array(scale))
    assert np.abs(expected[0] - expected[1]).max() > 1e-3, "the pictures must matter"
    np.testing.assert_allclose(model(images), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("variant", "alive"), [("fixed", True), ("published", False), ("paper", True)]
)
def test_second_dropout_is_dead_in_published_alone(
    variant: str, alive: bool, images: NDArray[np.uint8]
) -> None:
    model = _model(variant, width=0.1)
    _let_pictures_through(model)
    seed = tf.constant([9, 1, 0, 3], tf.int64)
    plain = model(images, seed=seed).numpy()
    model.dropout7 = lambda x, seed: x
    without_second = model(images, seed=seed).numpy()
    model.dropout6 = lambda x, seed: x
    without_both = model(images, seed=seed).numpy()
    assert np.array_equal(plain, without_second) is not alive
    assert not np.array_equal(without_second, without_both), "the first one is always alive"
    np.testing.assert_array_equal(without_both, model(images))


@pytest.mark.parametrize("variant", ["fixed", "modern"])
def test_fixed_and_modern_start_at_the_loss_of_a_guess(
    variant: str, images: NDArray[np.uint8]
) -> None:
    np.testing.assert_array_equal(_model(variant, width=0.1)(images), np.zeros((3, 2)))


def test_paper_has_the_parameters_of_its_layers() -> None:
    # Grouped kernels see half of the channels; the 60 million of the paper, with 1,000 classes.
    convolutions = 11 * 11 * 3 * 96 + 5 * 5 * 48 * 256 + 3 * 3 * 256 * 384
    convolutions += 3 * 3 * 192 * 384 + 3 * 3 * 192 * 256 + 96 + 256 + 384 + 384 + 256
    dense = (6 * 6 * 256 + 1) * 4096 + (4096 + 1) * 4096
    assert convolutions + dense + (4096 + 1) * 1000 == 60_965_224
    model = _model("paper", width=1.0)
    assert model.count_params() == convolutions + dense + (4096 + 1) * 2
    assert len(model.weights) == 16


def test_paper_starts_from_biases_of_one_and_hes_values_centered_behind_relus() -> None:
    model = _model("paper", width=0.25)
    layers = [getattr(model, f"conv{n}") for n in range(1, 6)]
    layers += [model.fc6, model.fc7, model.fc8]
    for layer, bias in zip(layers, [0, 1, 0, 1, 1, 1, 1, 0], strict=True):
        assert np.all(layer.bias.numpy() == bias), layer.name
        fan_in = np.prod(layer.kernel.shape[:-1])
        deviation = 0.0 if layer is model.fc8 else (2 / fan_in) ** 0.5
        assert layer.kernel.numpy().std() == pytest.approx(deviation, rel=0.05), layer.name
        sums = layer.kernel.numpy().reshape(fan_in, -1).sum(axis=0)
        assert (abs(sums).max() < 1e-3) == (layer is not model.conv1), layer.name


def test_paper_passes_pictures_to_fc7(images: NDArray[np.uint8]) -> None:
    # With He's values as they are it is 0.004.
    model = _model("paper", width=0.25)
    batch = {"images": images, "targets": tf.one_hot([0, 1, 0], 2), "weights": tf.ones([3])}
    facts = {layer.name: layer for layer in anatomy.diagnose(model, batch)}
    assert facts["fc7"].differing > 0.1


def _grouped_conv(x: Array, layer: Any) -> Array:
    kernel = layer.kernel.numpy().astype(np.float64)
    channels, filters = x.shape[3] // 2, kernel.shape[3] // 2
    halves = []
    for group in (0, 1):
        half = types.SimpleNamespace(
            kernel=tf.constant(kernel[..., group * filters : (group + 1) * filters]),
            bias=tf.constant(layer.bias.numpy()[group * filters : (group + 1) * filters]),
        )
        halves.append(_conv(x[..., group * channels : (group + 1) * channels], half))
    return np.concatenate(halves, axis=3)


def _respond(x: Array) -> Array:
    squares = np.pad(x**2, ((0, 0), (0, 0), (0, 0), (2, 2)))
    near = np.lib.stride_tricks.sliding_window_view(squares, 5, axis=3).sum(axis=-1)
    return x / (2 + 1e-4 * near) ** 0.75


def test_paper_is_its_layers_in_numpy(images: NDArray[np.uint8]) -> None:
    model = _model("paper", width=0.04)
    _let_pictures_through(model)
    x = (images.astype(np.float64) - MEAN) / np.array(STD)
    x = _pool(_respond(_conv(x, model.conv1, stride=4, same=False)))
    x = _pool(_respond(_grouped_conv(x, model.conv2)))
    x = _grouped_conv(_grouped_conv(_conv(x, model.conv3), model.conv4), model.conv5)
    x = np.maximum(_dense(_pool(x).reshape(len(x), -1), model.fc6), 0)
    expected = _dense(np.maximum(_dense(x, model.fc7), 0), model.fc8)
    assert np.abs(expected[0] - expected[1]).max() > 1e-2, "the pictures must matter"
    np.testing.assert_allclose(model(images), expected, rtol=1e-3, atol=1e-3)


def _standardized_conv(x: Array, layer: Any, *, stride: int = 1, same: bool = True) -> Array:
    kernel = layer.kernel.numpy().astype(np.float64)
    kernel -= kernel.mean(axis=(0, 1, 2))
    kernel *= layer.gain.numpy() / np.sqrt(np.sum(kernel**2, axis=(0, 1, 2)))
    plain = types.SimpleNamespace(kernel=tf.constant(kernel), bias=layer.bias.value)
    return _conv(x, plain, stride=stride, same=same)


def _normalized(x: Array, layer: Any) -> Array:
    """Group normalisation in one group, which is what so few channels are."""
    mean, variance = (f(x, axis=(1, 2, 3), keepdims=True) for f in (np.mean, np.var))
    return (x - mean) / np.sqrt(variance + 1e-5) * layer.gain.numpy() + layer.bias.numpy()


def test_modern_is_its_layers_in_numpy(images: NDArray[np.uint8]) -> None:
    model = _model("modern", width=0.04)
    _let_pictures_through(model)
    x = (images.astype(np.float64) - MEAN) / np.array(STD)
    x = _standardized_conv(x, model.conv1, stride=4, same=False)
    x = _standardized_conv(_normalized(_pool(x), model.norm1), model.conv2)
    x = _standardized_conv(_normalized(_pool(x), model.norm2), model.conv3)
    x = _standardized_conv(_standardized_conv(x, model.conv4), model.conv5)
    x = _normalized(_pool(x), model.norm5).reshape(len(x), -1)
    for layer in (model.fc6, model.fc7):
        x = np.maximum(_dense(x, layer), 0)
        x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    expected = _dense(x * 8 / np.sqrt(x.shape[1]), model.fc8)
    assert np.abs(expected[0] - expected[1]).max() > 1e-2, "the pictures must matter"
    np.testing.assert_allclose(model(images), expected, rtol=1e-3, atol=1e-3)


def test_the_length_of_moderns_kernels_changes_nothing(images: NDArray[np.uint8]) -> None:
    model = _model("modern", width=0.1)
    model.fc8.kernel.assign(_layers.normal(0.1, 1)(model.fc8.kernel.shape))
    before = model(images).numpy()
    assert np.ptp(before) > 1e-3
    for layer in (model.conv1, model.conv2, model.conv3, model.conv4, model.conv5):
        layer.kernel.assign(layer.kernel.value * 3.0)
    np.testing.assert_allclose(model(images), before, rtol=1e-3, atol=1e-4)


def test_modern_keeps_the_scale_through_its_convolutions(images: NDArray[np.uint8]) -> None:
    model = _model("modern", width=0.5)
    x = model.norm2(tf.constant(np.random.default_rng(0).normal(size=(2, 13, 13, 128)), tf.float32))
    for layer in (model.conv3, model.conv4, model.conv5):
        x = layer(x)
        assert np.std(x) == pytest.approx(1.0, abs=0.15), layer.name


@pytest.mark.parametrize("variant", ["paper", "modern"])
def test_bfloat16_logits_are_those_of_float32_but_for_rounding(
    variant: str, images: NDArray[np.uint8]
) -> None:
    exact, rounded = (_model(variant, width=0.1, dtype=d) for d in ("float32", "mixed_bfloat16"))
    for model in (exact, rounded):
        model.fc8.kernel.assign(_layers.normal(0.1, 1)(model.fc8.kernel.shape))
    expected = exact(images).numpy()
    found = rounded(images)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_width_scales_every_layer_and_leaves_one_of_each(images: NDArray[np.uint8]) -> None:
    half = _model("fixed", width=0.5)
    assert _model("paper", width=1e-6)(images).shape == (3, 2)
    shapes = [weight.shape[-1] for weight in half.trainable_variables if len(weight.shape) > 1]
    assert shapes == [48, 128, 192, 192, 128, 2048, 2048, 2]
    assert _model("fixed", width=1e-6)(images).shape == (3, 2)


@pytest.mark.parametrize(
    "options", [{"variant": "fixd"}, {"width": 0.0}, {"dropout": 1.0}, {"dropout": -0.1}], ids=str
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        AlexNet(num_classes=2, mean=MEAN, std=STD, seed=0, **options)
