"""Training batches are exact: ids, pixels, labels, weights and their order, from any start."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from catdog import registry, schema
from catdog.augmentations._augmentation import Augmentation
from catdog.data import order, pipeline
from catdog.parts import make_augmentations

SIZE = 227
EXAMPLES = 65
BATCH = 16
STEPS = 5  # an epoch's 65 examples fill 5 batches of 16, the last one with 15 paddings
EPOCHS = 2
SEED = 11
AUGMENTATIONS = ("random_crop_flip",)

Batch = dict[str, np.ndarray]


Train = Callable[..., list[Batch]]


def made(manifest: schema.Manifest, *names: str) -> list[Augmentation]:
    """The augmentations of these names for the training split."""
    return make_augmentations(names, (), SIZE, manifest.statistics("train"))


def with_a_cut(name: str) -> tuple[str, ...]:
    """The shortest list that the augmentation of that name can be used in."""
    factory = registry.find("catdog.augmentations", name, Augmentation)
    cuts = factory.crop_box is not Augmentation.crop_box
    return (name,) if cuts else (*AUGMENTATIONS, name)


@pytest.fixture(scope="module")
def train(data_dir: Path, manifest: schema.Manifest, window_bytes: int) -> Train:
    """The batches of a run from a step on, in a slice, with any number of threads."""

    def batches(
        slice_: pipeline.Slice | None = None,
        *,
        start_step: int = 0,
        reader_threads: int = 0,
        folder: Path = data_dir,
        seed: int = SEED,
        augmentations: tuple[str, ...] = AUGMENTATIONS,
    ) -> list[Batch]:
        dataset = pipeline.train_dataset(
            folder,
            manifest,
            "train",
            slice_=slice_ or pipeline.Slice(BATCH),
            augmentations=made(manifest, *augmentations),
            seed=seed,
            epochs=EPOCHS,
            start_step=start_step,
            window_bytes=window_bytes,
            reader_threads=reader_threads,
        )
        return list(dataset.as_numpy_iterator())

    return batches


@pytest.fixture(scope="module")
def undisturbed(train: Train) -> list[Batch]:
    return train(reader_threads=1)


def assert_equal(found: list[Batch], expected: list[Batch]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], strict=True)


def test_batches_have_one_shape_and_the_promised_types(undisturbed: list[Batch]) -> None:
    assert len(undisturbed) == EPOCHS * STEPS
    for batch in undisturbed:
        assert {name: (value.dtype.name, value.shape) for name, value in batch.items()} == {
            "images": ("uint8", (BATCH, SIZE, SIZE, 3)),
            "labels": ("int32", (BATCH,)),
            "targets": ("float32", (BATCH, 2)),
            "ids": ("int64", (BATCH,)),
            "weights": ("float32", (BATCH,)),
        }


def test_every_epoch_holds_every_id_once_and_padding_weighs_nothing(
    undisturbed: list[Batch],
) -> None:
    for epoch in range(EPOCHS):
        batches = undisturbed[epoch * STEPS : (epoch + 1) * STEPS]
        ids = np.concatenate([batch["ids"] for batch in batches])
        weights = np.concatenate([batch["weights"] for batch in batches])
        assert sorted(ids[weights == 1].tolist()) == list(range(EXAMPLES))
        assert ids[weights == 0].tolist() == [-1] * (STEPS * BATCH - EXAMPLES)
        assert ids[:EXAMPLES].min() == 0, "padding comes last"


def test_ids_come_in_the_order_of_the_seed(
    undisturbed: list[Batch], manifest: schema.Manifest, window_bytes: int
) -> None:
    shards = manifest.split("train").shards
    for epoch in range(EPOCHS):
        windows = order.shuffled(
            [shard.examples for shard in shards],
            [shard.bytes for shard in shards],
            window_bytes=window_bytes,
            seed=SEED,
            epoch=epoch,
        )
        assert len(windows) >= 3
        batches = undisturbed[epoch * STEPS : (epoch + 1) * STEPS]
        ids = np.concatenate([batch["ids"] for batch in batches])
        assert ids[:EXAMPLES].tolist() == np.concatenate([w.ids for w in windows]).tolist()


def test_every_picture_and_label_belongs_to_its_id(
    undisturbed: list[Batch], stored: list[tuple[np.ndarray, int]], manifest: schema.Manifest
) -> None:
    (augmentation,) = made(manifest, *AUGMENTATIONS)
    mirrored = 0
    for step, batch in enumerate(undisturbed):
        key = order.pixel_seed(SEED, step // STEPS)
        for image, label, number in zip(
            batch["images"], batch["labels"], batch["ids"], strict=True
        ):
            if number < 0:
                continue
            whole, true_label = stored[number]
            assert label == true_label
            top, left, height, width = augmentation.crop_box(256, tf.constant([key, number]))
            part = whole[top : top + height, left : left + width]
            mirrored += np.array_equal(image, part[:, ::-1])
            assert np.array_equal(image, part) or np.array_equal(image, part[:, ::-1])
    assert 0.3 < mirrored / (EPOCHS * EXAMPLES) < 0.7


@pytest.mark.parametrize("reader_threads", [0, 2, 8])
def test_the_number_of_reader_threads_changes_nothing(
    train: Train, undisturbed: list[Batch], reader_threads: int
) -> None:
    assert_equal(train(reader_threads=reader_threads), undisturbed)


@pytest.mark.parametrize("start_step", range(1, EPOCHS * STEPS + 1))
def test_a_start_at_any_step_goes_on_in_the_undisturbed_order(
    train: Train, undisturbed: list[Batch], start_step: int
) -> None:
    assert_equal(train(start_step=start_step), undisturbed[start_step:])


def test_a_start_reads_no_window_that_is_over(
    train: Train,
    undisturbed: list[Batch],
    data_dir: Path,
    manifest: schema.Manifest,
    window_bytes: int,
    tmp_path: Path,
) -> None:
    shards = manifest.split("train").shards
    windows = order.shuffled(
        [shard.examples for shard in shards],
        [shard.bytes for shard in shards],
        window_bytes=window_bytes,
        seed=SEED,
        epoch=EPOCHS - 1,
    )
    folder = shutil.copytree(data_dir, tmp_path / "data")
    for shard in windows[0].shards:
        (folder / shards[shard].file).unlink()
    start = (EPOCHS - 1) * STEPS + -(-len(windows[0].ids) // BATCH)
    assert_equal(train(start_step=start, folder=folder), undisturbed[start:])


@pytest.mark.parametrize("workers", [2, 4])
def test_the_workers_parts_make_up_the_undivided_batches(
    train: Train, undisturbed: list[Batch], workers: int
) -> None:
    parts = [train(pipeline.Slice(BATCH, workers, worker)) for worker in range(workers)]
    together = [
        {name: np.concatenate([part[name] for part in batches]) for name in batches[0]}
        for batches in zip(*parts, strict=True)
    ]
    assert_equal(together, undisturbed)


def test_workers_start_at_the_same_step(train: Train, undisturbed: list[Batch]) -> None:
    found = train(pipeline.Slice(BATCH, workers=2, worker=1), start_step=7)
    for batch, whole in zip(found, undisturbed[7:], strict=True):
        assert batch["ids"].tolist() == whole["ids"][BATCH // 2 :].tolist()


def test_replicas_get_consecutive_parts_of_each_batch(
    train: Train, undisturbed: list[Batch]
) -> None:
    found = train(pipeline.Slice(BATCH, replicas_here=2))
    assert len(found) == 2 * len(undisturbed)
    for step, whole in enumerate(undisturbed):
        first, second = found[2 * step : 2 * step + 2]
        for name in whole:
            np.testing.assert_array_equal(np.concatenate([first[name], second[name]]), whole[name])


def test_another_seed_gives_another_order_and_other_crops(
    train: Train, undisturbed: list[Batch]
) -> None:
    other = train(seed=SEED + 1)
    assert other[0]["ids"].tolist() != undisturbed[0]["ids"].tolist()
    image_of = {
        number: image
        for batch in other[:STEPS]
        for number, image in zip(batch["ids"], batch["images"], strict=True)
    }
    same = [
        np.array_equal(image, image_of[number])
        for number, image in zip(undisturbed[0]["ids"], undisturbed[0]["images"], strict=True)
    ]
    assert sum(same) <= 1


@pytest.mark.parametrize("name", registry.names("catdog.augmentations"))
def test_every_augmentation_gets_its_part_as_it_is_in_the_whole_picture(
    train: Train, stored: list[tuple[np.ndarray, int]], manifest: schema.Manifest, name: str
) -> None:
    """The batch is what the augmentations make, called by hand with the promised seeds."""
    augmentations = made(manifest, *with_a_cut(name))
    batch = train(augmentations=with_a_cut(name), start_step=8)[0]
    key = order.pixel_seed(SEED, 1)
    images = []
    for number in batch["ids"]:
        top, left, height, width = augmentations[0].crop_box(256, tf.constant([key, number]))
        image = tf.constant(stored[number][0][top : top + height, left : left + width])
        for place, augmentation in enumerate(augmentations):
            image = augmentation(image, tf.constant([key + place, number]))
        images.append(image)
    together, targets = tf.stack(images), tf.eye(2).numpy()[batch["labels"]]
    for place, augmentation in enumerate(augmentations):
        seeds = tf.constant([[key + place, number] for number in batch["ids"]])
        together, targets = augmentation.mix(together, targets, seeds)
    np.testing.assert_array_equal(batch["images"], together)
    np.testing.assert_allclose(batch["targets"], targets, rtol=1e-6)


@pytest.mark.parametrize("name", registry.names("catdog.augmentations"))
def test_every_augmentation_gives_the_same_pictures_twice(train: Train, name: str) -> None:
    first = train(augmentations=with_a_cut(name), start_step=8)
    again = train(augmentations=with_a_cut(name), start_step=8, reader_threads=2)
    assert_equal(first, again)


class Darker(Augmentation):
    """Says by how much it was seeded: its picture is one value, drawn from its seed."""

    def __call__(self, image: Any, seed: Any) -> Any:
        value = tf.random.stateless_uniform([], seed, maxval=256, dtype=tf.int32)
        return tf.fill(tf.shape(image), tf.cast(value, tf.uint8))


def test_each_augmentation_of_a_list_draws_from_a_seed_of_its_own(
    data_dir: Path, manifest: schema.Manifest
) -> None:
    (crop,) = made(manifest, *AUGMENTATIONS)
    dataset = pipeline.train_dataset(
        data_dir,
        manifest,
        "train",
        slice_=pipeline.Slice(BATCH),
        augmentations=[crop, Darker(image_size=SIZE)],
        seed=SEED,
        epochs=1,
    )
    batch = next(dataset.as_numpy_iterator())
    key = order.pixel_seed(SEED, 0)
    for image, number in zip(batch["images"], batch["ids"], strict=True):
        drawn = tf.random.stateless_uniform([], [key + 1, number], maxval=256, dtype=tf.int32)
        assert np.all(image == drawn.numpy())
