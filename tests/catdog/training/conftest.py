"""A network of a hundred weights on pictures of 4×4 pixels: training rules, tested in seconds."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from catdog.models import _layers
from catdog.optimizers.momentum import Momentum
from catdog.training import distribution
from catdog.training.steps import Settings, TrainSteps

BATCH_SIZE = 8

Examples = dict[str, NDArray[Any]]


class TinyNet(keras.Model):
    """uint8 images [B, 4, 4, 3] -> float32 logits [B, 2]; one hidden layer and a dropout."""

    image_size = 4

    def __init__(self, dtype: str = "float32", dropout: float = 0.5) -> None:
        super().__init__(name="tiny", dtype=dtype)
        options: Any = {"initial_bias": 0.1, "dtype": dtype}
        self.flatten = keras.layers.Flatten(dtype=dtype)
        self.fc1 = _layers.fc_layer(
            "fc1", 6, initial_weights=_layers.fan_in_normal(2.0, 1), **options
        )
        self.dropout = _layers.Dropout(dropout, salt=1, dtype=dtype, name="dropout")
        self.fc2 = _layers.fc_layer(
            "fc2", 2, initial_weights=_layers.fan_in_normal(2.0, 2), activation=None, **options
        )

    def call(self, images: Any, seed: Any = None) -> Any:
        """Logits of images in 0…255."""
        x = tf.cast(tf.cast(images, tf.float32) / 255.0 - 0.5, self.compute_dtype)
        x = self.dropout(self.fc1(self.flatten(x)), seed=seed)
        return tf.cast(self.fc2(x), tf.float32)


@dataclasses.dataclass(frozen=True)
class Tiny:
    """A tiny network on its devices, and what trains it."""

    model: Any
    steps: TrainSteps
    strategy: tf.distribute.Strategy

    def iterator(self, examples: Examples, start_step: int = 0) -> Iterator[Any]:
        """The examples in batches of `BATCH_SIZE` over all devices, from a batch on."""
        share = BATCH_SIZE // self.strategy.num_replicas_in_sync

        def make_dataset() -> tf.data.Dataset:
            places = tf.data.Dataset.from_tensor_slices(examples)
            return places.skip(start_step * BATCH_SIZE).batch(share, drop_remainder=True)

        return distribution.distributed_iterator(self.strategy, make_dataset)

    def values(self) -> dict[str, NDArray[Any]]:
        """All that training changes, as numpy arrays."""
        return {name: variable.numpy() for name, variable in self.steps.variables.items()}


@pytest.fixture(scope="session")
def tiny_examples() -> Callable[..., Examples]:
    """`tiny_examples(64, seed=0)`: that many labelled pictures; cats are bright on the left."""

    def make(count: int, *, seed: int = 0) -> Examples:
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, count)
        images = rng.integers(0, 156, (count, 4, 4, 3))
        images[labels == 0, :, :2] += 100
        images[labels == 1, :, 2:] += 100
        return {
            "images": images.astype(np.uint8),
            "labels": labels.astype(np.int32),
            "targets": np.eye(2, dtype=np.float32)[labels],
            "ids": np.arange(count),
            "weights": np.ones(count, np.float32),
        }

    return make


@pytest.fixture(scope="session")
def make_tiny() -> Callable[..., Tiny]:
    """`make_tiny(devices=…, dtype=…, weight_decay=…)`: a new network with the same weights."""

    def make(
        *,
        devices: tuple[str, ...] = (),
        dtype: str = "float32",
        optimizer: Any = None,
        dropout: float = 0.5,
        **settings: Any,
    ) -> Tiny:
        strategy = distribution.make_strategy(devices)
        chosen = {
            "batch_size": BATCH_SIZE,
            "weight_decay": 1e-2,
            "decay_biases": False,
            "label_smoothing": 0.1,
            "dropout_key": 77,
            "loss_scaling": False,
            "xla": False,
        } | settings
        with strategy.scope():
            model = TinyNet(dtype, dropout)
            model(tf.zeros([1, 4, 4, 3], tf.uint8))
            steps = TrainSteps(model, optimizer or Momentum(), strategy, Settings(**chosen))
        return Tiny(model, steps, strategy)

    return make
