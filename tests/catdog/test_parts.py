"""Names and options become objects, and a saved model comes back as it was."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog import parts, schema
from catdog.augmentations._augmentation import Augmentation
from catdog.errors import UsageError
from catdog.training import checkpoints, distribution

DESCRIPTION = {
    "name": "alexnet",
    "options": ["width=0.02", "variant=published"],
    "num_classes": 3,
    "mean": [1.0, 2.0, 3.0],
    "std": [4.0, 5.0, 6.0],
}
STATISTICS = schema.Statistics(
    mean=(100.0, 90.0, 80.0),
    std=(20.0, 10.0, 5.0),
    covariance=((400.0, 90.0, 40.0), (90.0, 100.0, 20.0), (40.0, 20.0, 25.0)),
)


def test_options_reach_the_constructors() -> None:
    schedule = parts.make_schedule(
        "plateau", ("patience=3",), learning_rate=0.2, total_steps=10, steps_per_epoch=5
    )
    for _ in range(4):
        assert schedule.rate(0) == 0.2
        schedule.end_epoch(improved=False)
    assert schedule.rate(0) == pytest.approx(0.02)
    optimizer = parts.make_optimizer("momentum", ("momentum=0.5",))
    assert optimizer.update(1.0, 2.0, (4.0,), learning_rate=0.1, step=0) == (0.6, (4.0,))
    assert parts.make_evaluator("log_loss").mode == "min"
    model = parts.make_model(DESCRIPTION, seed=0, dtype="float32")
    assert model(tf.zeros([1, 227, 227, 3], tf.uint8)).shape == (1, 3)
    assert model.fc6.units == round(4096 * 0.02)
    assert np.all(model.fc6.bias.numpy() == np.float32(0.1))


@pytest.mark.parametrize("reserved", ["learning_rate=1", "total_steps=5", "steps_per_epoch=1"])
def test_what_has_a_flag_of_its_own_is_no_option(reserved: str) -> None:
    with pytest.raises(UsageError, match="has no option"):
        parts.make_schedule(
            "cosine", (reserved,), learning_rate=0.2, total_steps=10, steps_per_epoch=5
        )


def test_class_weights_are_balanced_or_given_by_name() -> None:
    names, counts = ("cat", "dog=wolf"), (30, 10)
    assert parts.class_weights((), names, counts) == ()
    balanced = parts.class_weights(("balanced",), names, counts)
    assert balanced == (40 / (2 * 30), 40 / (2 * 10))
    assert sum(n * w for n, w in zip(counts, balanced, strict=True)) == pytest.approx(40)
    given = parts.class_weights(("dog=wolf=2.5", "cat=1"), names, counts)
    assert given == (1.0, 2.5)


@pytest.mark.parametrize(
    "given",
    ["cat=1", "cat=1,dog=2,dog=2", "cat=1,fox=1", "cat=0,dog=1", "cat=x,dog=1", "cat=nan,dog=1"],
)
def test_wrong_class_weights_are_refused(given: str) -> None:
    with pytest.raises(UsageError, match="--class_weights is balanced, or NAME=FACTOR"):
        parts.class_weights(tuple(given.split(",")), ("cat", "dog"), (1, 1))


def test_augmentation_options_go_to_the_one_they_name() -> None:
    (made,) = parts.make_augmentations(
        ("random_resized_crop",), ("random_resized_crop.aspect_max=1",), 227, STATISTICS
    )
    box = made.crop_box(256, tf.constant([1, 2], tf.int64)).numpy()
    assert made.image_size == 227
    assert box[2] == box[3] <= 256


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        ((), (), "needs at least one name"),
        (("random_crop",), (), "did you mean 'random_crop_flip'"),
        (("random_crop_flip", "random_resized_crop"), (), "cuts the stored picture .* no other"),
        (("random_crop_flip",), ("area_min=0.5",), "written name.key=value"),
        (
            ("random_crop_flip",),
            ("random_resized_crop.area_min=0.5",),
            "random_crop_flip, received",
        ),
        (("random_crop_flip",), ("random_crop_flip.x=1",), "its options: none"),
        (("random_crop_flip",), ("random_crop_flip.image_size=9",), "no option 'image_size'"),
    ],
)
def test_wrong_augmentations_are_refused(
    names: tuple[str, ...], options: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        parts.make_augmentations(names, options, 227, STATISTICS)


def test_a_list_that_does_not_begin_with_a_cut_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Colour(Augmentation):
        pass

    monkeypatch.setattr(parts.registry, "find", lambda room, name, contract: Colour)
    with pytest.raises(UsageError, match="the first --augmentation cuts"):
        parts.make_augmentations(("colour",), (), 227, STATISTICS)


def test_an_augmentation_is_given_the_pixel_statistics_that_its_constructor_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Given(Augmentation):
        def __init__(
            self, *, image_size: int, std: tuple[float, ...], covariance: Any, scale: float = 1.0
        ) -> None:
            super().__init__(image_size=image_size)
            self.given = std, covariance, scale

        def crop_box(self, stored_size: int, seed: Any) -> Any:
            return tf.constant([0, 0, stored_size, stored_size])

    monkeypatch.setattr(parts.registry, "find", lambda room, name, contract: Given)
    (made,) = parts.make_augmentations(("given",), ("given.scale=2",), 9, STATISTICS)
    assert made.image_size == 9
    assert getattr(made, "given") == (STATISTICS.std, STATISTICS.covariance, 2.0)  # noqa: B009
    for reserved in ("std=1", "mean=1", "image_size=1"):
        with pytest.raises(UsageError, match=r"has no option .*; its options: scale$"):
            parts.make_augmentations(("given",), (f"given.{reserved}",), 9, STATISTICS)


def test_weights_are_named_by_layer_and_part() -> None:
    model = parts.make_model(DESCRIPTION, seed=0, dtype="float32")
    layers = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
    names = {f"weights/{layer}/{part}" for layer in layers for part in ("kernel", "bias")}
    assert set(parts.weights(model)) == names


@pytest.mark.parametrize("devices", [(), ("CPU:0", "CPU:1")], ids=["one", "two"])
def test_a_saved_model_predicts_the_same_when_loaded(
    tmp_path: Path, two_devices: tuple[str, ...], devices: tuple[str, ...]
) -> None:
    model = parts.make_model(DESCRIPTION, seed=5, dtype="float32")
    about = {
        "config": {},
        "data_fingerprint": "0",
        "model": json.loads(json.dumps(DESCRIPTION)),
        "class_names": ["a", "b", "c"],
        "preparation": {"image_size": 256, "resize": "crop", "jpeg_quality": 90},
    }
    saved = checkpoints.save(tmp_path, "best", 1, parts.weights(model), about, keep=1)
    loaded = parts.load_model(saved, devices=devices, precision_name="float32")
    images = np.random.default_rng(0).integers(0, 256, (2, 227, 227, 3), dtype=np.uint8)
    np.testing.assert_array_equal(loaded.model(images), model(images))
    assert loaded.class_names == ("a", "b", "c")
    assert loaded.preparation["resize"] == "crop"
    assert loaded.strategy.num_replicas_in_sync == max(1, len(devices))


def test_a_score_without_a_value_is_printed_as_none() -> None:
    scores = {"split": "test", "examples": 3, "auc": float("nan"), "loss": float("inf"), "f1": 0.5}
    assert parts.printable(scores) == scores | {"auc": None, "loss": None}


def test_equal_devices_share_one_strategy_in_a_process(two_devices: tuple[str, ...]) -> None:
    """Two MirroredStrategy objects of one process abort each other's collective operations."""
    first, second = (distribution.make_strategy(("CPU:0", "CPU:1")) for _ in range(2))
    assert first is second


def test_unknown_and_repeated_devices_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no device 'GPU:7' here; --devices takes CPU:0"):
        distribution.make_strategy(["GPU:7"])
    with pytest.raises(UsageError, match="takes each device once"):
        distribution.make_strategy(["CPU:0", "CPU:0"])
