"""AlexNet on smaller pictures: every weight learns from them, fc6 sees their maps stretched."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog.errors import UsageError
from catdog.models._alexnet_variants import VARIANTS
from catdog.models.alexnet import AlexNet

MEAN, STD = (124.0, 116.0, 106.0), (66.0, 65.0, 67.0)
SIZE = 131


def _model(variant: str) -> Any:
    """A narrow network whose weights let pictures through, as the initial ones hardly do."""
    model = AlexNet(num_classes=2, mean=MEAN, std=STD, seed=3, variant=variant, width=0.02)
    model(tf.zeros([1, 227, 227, 3], tf.uint8))
    rng = np.random.default_rng(1)
    for weight in model.trainable_variables:
        fan_in = np.prod(weight.shape[:-1])
        weight.assign(rng.normal(scale=np.sqrt(2 / fan_in) * 0.9, size=weight.shape))
    return model


def _pictures(count: int, size: int = SIZE) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


@pytest.mark.parametrize("variant", VARIANTS)
def test_smaller_pictures_reach_every_weight(variant: str) -> None:
    model = _model(variant)
    weights = [weight.value for weight in model.trainable_variables]
    with tf.GradientTape() as tape:
        logits = model(_pictures(4), seed=tf.constant([1, 0, 0, 4], tf.int64))
        loss = tf.reduce_sum(tf.square(logits))
    assert logits.shape == (4, 2)
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        assert np.any(gradient.numpy() != 0), weight.path


def test_a_smaller_picture_is_seen_as_its_last_maps_stretched() -> None:
    model = _model("fixed")
    x = (tf.cast(_pictures(3), tf.float32) - np.float32(MEAN)) / np.float32(STD)
    x = model.pool2(model.conv2(model.pool1(model.conv1(x))))
    x = model.pool5(model.conv5(model.conv4(model.conv3(x))))
    assert x.shape[1:3] == (3, 3)
    x = tf.reshape(tf.image.resize(x, [6, 6]), [3, -1])
    wanted = model.fc8(model.fc7(model.fc6(x)))
    np.testing.assert_allclose(model(_pictures(3)), wanted, rtol=1e-3, atol=1e-4)


def test_67_pixels_are_enough_and_66_are_not() -> None:
    model = _model("fixed")
    assert model(_pictures(1, 67)).shape == (1, 2)
    with pytest.raises(UsageError, match="67 pixels and more, not 66"):
        model(_pictures(1, 66))
