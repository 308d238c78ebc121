"""Each example is scored once, alike on one device and on two, and joined to its label by id."""

from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog import schema
from catdog.data import pipeline, views
from catdog.errors import IntegrityError
from catdog.parts import make_model, weights
from catdog.training import distribution
from catdog.training.predict import Predictions, Predictor

COUNTS = (1, 7, 64, 65)
BATCH = 16
SIZE = 227
DESCRIPTION = {
    "name": "alexnet",
    "options": ["width=0.0625"],
    "num_classes": 2,
    "mean": [115.0, 115.0, 115.0],
    "std": [58.0, 58.0, 58.0],
}


@pytest.fixture(scope="module")
def data_dir(tiny_data: Callable[..., Path]) -> Path:
    """A split of each size, called n1, n7, …"""
    return tiny_data({f"n{count}": count for count in COUNTS})


@pytest.fixture(scope="module")
def strategies(two_devices: tuple[str, ...]) -> dict[int, tf.distribute.Strategy]:
    """{number of devices: strategy}."""
    names = tuple(name.rpartition("device:")[2] for name in two_devices)
    return {count: distribution.make_strategy(names[:count]) for count in (1, 2)}


class Linear:
    """A stand-in for a model that sees where each pixel is, and costs little for ten views."""

    image_size = SIZE

    def __init__(self) -> None:
        weights = np.random.default_rng(7).normal(0, 4e-5, (SIZE * SIZE * 3, 2))
        self._weights = tf.constant(weights, tf.float32)

    def __call__(self, images: Any) -> Any:
        pixels = tf.cast(tf.reshape(images, [-1, SIZE * SIZE * 3]), tf.float32) - 115.0
        return tf.matmul(pixels, self._weights)


Models = dict[tuple[str, int], Any]


@pytest.fixture(scope="module")
def models(strategies: dict[int, tf.distribute.Strategy]) -> Models:
    """{(name, number of devices): model}, equal on one device and on two."""
    made: Models = {}
    fc8 = np.random.default_rng(6).normal(0, 0.5, (256, 2))
    for count, strategy in strategies.items():
        made["linear", count] = Linear()
        with strategy.scope():
            made["alexnet", count] = make_model(DESCRIPTION, seed=1, dtype="float32")
        # Zeros at first, which would score all pictures alike and hide every mistake.
        weights(made["alexnet", count])["weights/fc8/kernel"].assign(fc8)
    return made


Predict = Callable[..., Predictions]


@pytest.fixture(scope="module")
def predict(
    data_dir: Path, strategies: dict[int, tf.distribute.Strategy], models: Models
) -> Predict:
    """Predictions for the split of so many pictures; each predictor is made once."""
    predictors: dict[tuple[str, int, str], Predictor] = {}
    manifest = schema.read_manifest(data_dir)

    def predict(
        count: int, *, devices: int, model: str, views_name: str, batch_size: int = BATCH
    ) -> Predictions:
        key = (model, devices, views_name)
        if key not in predictors:
            cut = views.find(views_name)
            predictors[key] = Predictor(models[model, devices], strategies[devices], cut)
        slice_ = distribution.slice_of(strategies[devices], batch_size)
        return predictors[key](
            lambda: pipeline.eval_dataset(data_dir, manifest, f"n{count}", slice_=slice_),
            examples=count,
            batch_size=batch_size,
        )

    return predict


def truth(data_dir: Path, model: Any, count: int, views_name: str) -> Predictions:
    """The same without ours: TensorFlow's parser, numpy's slices, a softmax in float64."""
    labels, pictures = [], []
    for shard in schema.read_manifest(data_dir).split(f"n{count}").shards:
        for record in tf.data.TFRecordDataset(str(data_dir / shard.file)).as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            labels.append(feature["image/class/label"].int64_list.value[0])
            jpeg = feature["image/encoded"].bytes_list.value[0]
            pictures.append(tf.io.decode_jpeg(jpeg).numpy())
    starts = [(15, 15)]
    if views_name == "ten":
        starts += [(0, 0), (0, 29), (29, 0), (29, 29)]
    images = np.stack(pictures)
    cuts = [images[:, top : top + SIZE, left : left + SIZE] for top, left in starts]
    if views_name == "ten":
        cuts += [view[:, :, ::-1] for view in cuts]
    found = []
    for view in cuts:
        powers = np.exp(model(view).numpy().astype(np.float64))
        found.append(powers / powers.sum(1, keepdims=True))
    return Predictions(np.array(labels), np.mean(found, axis=0).astype(np.float32))


CASES = [("alexnet", count, "center") for count in COUNTS]
CASES += [("linear", count, "ten") for count in COUNTS]
CASES += [("alexnet", 7, "ten")]


@pytest.mark.parametrize(("model", "count", "views_name"), CASES)
def test_scores_are_right_and_equal_on_one_and_two_devices(
    predict: Predict, data_dir: Path, models: Models, model: str, count: int, views_name: str
) -> None:
    expected = truth(data_dir, models[model, 1], count, views_name)
    one, two = (predict(count, devices=n, model=model, views_name=views_name) for n in (1, 2))
    for found in (one, two):
        assert (found.probabilities.shape, found.probabilities.dtype) == ((count, 2), np.float32)
        assert found.labels.dtype == np.int64
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5, rtol=0)
    np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-5, rtol=0)
    assert count == 1 or expected.probabilities[:, 0].std() > 0.01


@pytest.mark.parametrize("batch_size", [2, 64, 128])
def test_the_batch_size_changes_no_score(predict: Predict, batch_size: int) -> None:
    expected = predict(65, devices=1, model="linear", views_name="center")
    found = predict(65, devices=2, model="linear", views_name="center", batch_size=batch_size)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-5, rtol=0)


class OneHot:
    """A stand-in for a model: its probability of class 1 grows with the picture's first pixel."""

    image_size = 4

    def __call__(self, images: Any) -> Any:
        first = tf.cast(images[:, 0, 0, 0], tf.float32)
        return tf.stack([tf.zeros_like(first), first], 1)


def numbered(ids: list[int], batch_size: int) -> tf.data.Dataset:
    """Batches of pictures whose pixels and labels are their ids."""
    numbers = tf.constant(ids, tf.int64)
    images = tf.cast(tf.tile(numbers[:, None, None, None], [1, 4, 4, 3]), tf.uint8)
    batches = tf.data.Dataset.from_tensor_slices(
        {"images": images, "labels": tf.cast(numbers, tf.int32), "ids": numbers}
    ).batch(batch_size, drop_remainder=True)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.with_options(options)


@pytest.mark.parametrize("devices", [1, 2])
def test_rows_are_sorted_by_id_whatever_the_order_they_come_in(
    strategies: dict[int, tf.distribute.Strategy], devices: int
) -> None:
    predictor = Predictor(OneHot(), strategies[devices], views.center_crop)
    found = predictor(
        lambda: numbered([5, 2, 0, 3, -1, 1, 4, -1], 4 // devices), examples=6, batch_size=4
    )
    assert found.labels.tolist() == [0, 1, 2, 3, 4, 5]
    expected = 1 / (1 + np.exp(-np.arange(6.0)))
    np.testing.assert_allclose(found.probabilities[:, 1], expected, atol=1e-6)


@pytest.mark.parametrize("ids", [[0, 1, 2, 2], [0, 1, 2, 4], [0, 1, -1, -1], [0, 1, 1, -1]])
@pytest.mark.parametrize("devices", [1, 2])
def test_an_example_that_comes_twice_or_not_at_all_is_an_error(
    strategies: dict[int, tf.distribute.Strategy], devices: int, ids: list[int]
) -> None:
    predictor = Predictor(OneHot(), strategies[devices], views.center_crop)
    due = 3 if -1 in ids else 4
    with pytest.raises(IntegrityError, match=f"{due} examples were due once each"):
        predictor(lambda: numbered(ids, 4 // devices), examples=due, batch_size=4)


def test_progress_sees_every_step(strategies: dict[int, tf.distribute.Strategy]) -> None:
    seen: list[int] = []

    def progress(steps: Iterable[int], total: int) -> Iterable[int]:
        assert total == 3
        for step in steps:
            yield step
            seen.append(step)

    Predictor(OneHot(), strategies[1], views.center_crop)(
        lambda: numbered([0, 1, 2, 3, 4, -1], 2), examples=5, batch_size=2, progress=progress
    )
    assert seen == [0, 1, 2]


def test_batches_to_score_are_rounded_up_to_what_replicas_can_share() -> None:
    three: Any = SimpleNamespace(num_replicas_in_sync=3)
    sizes = [distribution.evaluation_slice(three, size).batch_size for size in (1, 3, 64)]
    assert sizes == [3, 3, 66]
