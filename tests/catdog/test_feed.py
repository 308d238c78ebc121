"""The batches of a run: sizes by stage, the same examples in the same order in each of them."""

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from catdog import feed, schema, train
from catdog.config import TrainConfig
from catdog.errors import UsageError
from catdog.training import distribution
from catdog.training.progress import Extent

BATCH, STEPS, EPOCHS = 16, 5, 4  # of 65 examples
CPU = ("CPU:0",)


class Model(keras.Model):
    """Takes pictures of 40 pixels and more."""

    image_size = 64

    def call(self, images: Any) -> Any:
        if images.shape[1] < 40:
            raise ValueError("too small")
        return tf.cast(images[:, 0, 0, :2], tf.float32)


def _feed(data_dir: Path, manifest: schema.Manifest, strategy: Any, *sizes: str) -> feed.Feed:
    config = TrainConfig(
        data_dir=str(data_dir),
        model_dir="unused",
        augmentation=("random_crop_flip",),
        batch_size=BATCH,
        epochs=EPOCHS,
        seed=5,
        progressive_sizes=sizes,
    )
    return feed.feed(config, manifest, Model(), strategy, Extent(65, STEPS, EPOCHS * STEPS))


def _run(found: feed.Feed) -> list[tuple[int, list[int]]]:
    """Size and ids of each batch, as the loop asks for them."""
    batches, iterator = [], found.make_iterator(0)
    for step in range(EPOCHS * STEPS):
        if step % STEPS == 0 and step // STEPS in found.new_stages:
            with pytest.raises(StopIteration):
                next(iterator)
            iterator = found.make_iterator(step)
        batch = next(iterator)
        batches.append((batch["images"].shape[1], batch["ids"].numpy().tolist()))
    return batches


def test_each_stage_has_its_size_and_the_order_is_that_of_a_run_without(
    data_dir: Path, manifest: schema.Manifest
) -> None:
    strategy = distribution.make_strategy(CPU)
    plain = _run(_feed(data_dir, manifest, strategy))
    found = _run(_feed(data_dir, manifest, strategy, "40:1", "48:2"))
    assert [size for size, _ in plain] == [64] * EPOCHS * STEPS
    assert [size for size, _ in found] == [40] * STEPS + [48] * 2 * STEPS + [64] * STEPS
    assert [ids for _, ids in found] == [ids for _, ids in plain]


@pytest.mark.parametrize("step", [3, 5, 11, 15, 20])
def test_a_run_goes_on_in_the_stage_of_its_step(
    data_dir: Path, manifest: schema.Manifest, step: int
) -> None:
    strategy = distribution.make_strategy(CPU)
    whole = _run(_feed(data_dir, manifest, strategy, "40:1", "48:2"))
    iterator = _feed(data_dir, manifest, strategy, "40:1", "48:2").make_iterator(step)
    rest = [(batch["images"].shape[1], batch["ids"].numpy().tolist()) for batch in iterator]
    end = next((stage for stage in (5, 15, 20) if step < stage), step)
    assert rest == whole[step:end]


def test_two_devices_share_the_batches_of_a_stage(
    data_dir: Path, manifest: schema.Manifest, two_devices: tuple[str, ...]
) -> None:
    strategy = distribution.make_strategy([name.rpartition("device:")[2] for name in two_devices])
    alone = _feed(data_dir, manifest, distribution.make_strategy(CPU), "40:1").make_iterator(0)
    shared = _feed(data_dir, manifest, strategy, "40:1").make_iterator(0)
    for one, both in zip(alone, shared, strict=True):
        parts = [part.numpy() for part in strategy.experimental_local_results(both["images"])]
        assert [len(part) for part in parts] == [BATCH // 2] * 2
        np.testing.assert_array_equal(np.concatenate(parts), one["images"])


def test_a_run_of_stages_is_the_same_on_one_device_and_on_two(
    data_dir: Path, tmp_path: Path, two_devices: tuple[str, ...]
) -> None:
    losses = []
    for count in (1, 2):
        names = [name.rpartition("device:")[2] for name in two_devices[:count]]
        config = TrainConfig(
            data_dir=str(data_dir),
            model_dir=str(tmp_path / str(count)),
            model_option=("width=0.02",),
            precision="float32",
            batch_size=BATCH,
            epochs=2,
            progressive_sizes=("99:1",),
            devices=tuple(names),
            final_views="center",
        )
        train.main(config)
        with (tmp_path / str(count) / "summary.csv").open(newline="") as file:
            losses.append([float(row["train_cross_entropy"]) for row in csv.DictReader(file)])
    assert len(losses[0]) == 2
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [(("32:1",), "the model cannot take pictures of 32 pixels"), (("300:1",), "have 256")],
)
def test_sizes_that_cannot_be_are_told(
    data_dir: Path, manifest: schema.Manifest, sizes: tuple[str, ...], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        _feed(data_dir, manifest, distribution.make_strategy(CPU), *sizes)
