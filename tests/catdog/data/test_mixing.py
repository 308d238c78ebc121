"""Targets, and mixing: by pairs, the same on any number of devices and from any start."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from catdog import registry, schema
from catdog.augmentations._augmentation import Augmentation
from catdog.data import order, pipeline
from catdog.parts import make_augmentations

SIZE = 64
BATCH = 16
STEPS = 5  # 65 examples: the last batch has one example and 15 paddings
EPOCHS = 2
CUT = "random_crop_flip"
MIXING = [
    name
    for name in registry.names("catdog.augmentations")
    if registry.find("catdog.augmentations", name, Augmentation).mix is not Augmentation.mix
]

Batch = dict[str, np.ndarray]
Train = Callable[..., list[Batch]]


@pytest.fixture(scope="module")
def train(data_dir: Path, manifest: schema.Manifest, window_bytes: int) -> Train:
    """The batches of a run with these augmentations after the one that cuts."""

    def batches(
        *names: str,
        slice_: pipeline.Slice | None = None,
        start_step: int = 0,
        steps: list[int] | None = None,
    ) -> list[Batch]:
        common = {
            "slice_": slice_ or pipeline.Slice(BATCH),
            "augmentations": make_augmentations(
                (CUT, *names), (), SIZE, manifest.statistics("train")
            ),
            "seed": 3,
            "window_bytes": window_bytes,
        }
        if steps is not None:
            dataset = pipeline.chosen_batches(data_dir, manifest, "train", steps, **common)
        else:
            dataset = pipeline.train_dataset(
                data_dir, manifest, "train", start_step=start_step, epochs=EPOCHS, **common
            )
        return list(dataset.as_numpy_iterator())

    return batches


@pytest.fixture(scope="module")
def plain(train: Train) -> list[Batch]:
    return train()


@pytest.fixture(scope="module", params=MIXING)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def undisturbed(train: Train, name: str) -> list[Batch]:
    return train(name)


def assert_equal(found: list[Batch], expected: list[Batch]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key], strict=True)


def test_targets_are_the_labels_one_hot_where_nothing_mixes(plain: list[Batch]) -> None:
    for batch in plain:
        np.testing.assert_array_equal(batch["targets"], np.eye(2)[batch["labels"]])


def test_mixing_touches_images_and_targets_alone(
    undisturbed: list[Batch], plain: list[Batch]
) -> None:
    changed = 0
    for mixed, whole in zip(undisturbed, plain, strict=True):
        for key in ("labels", "ids", "weights"):
            np.testing.assert_array_equal(mixed[key], whole[key])
        np.testing.assert_allclose(mixed["targets"].sum(1), 1, atol=1e-6)
        of_pairs = [batch["targets"].reshape(-1, 2, 2).sum(1) for batch in (mixed, whole)]
        np.testing.assert_allclose(*of_pairs, atol=1e-6)
        changed += (mixed["images"] != whole["images"]).any((1, 2, 3)).sum()
    assert changed > EPOCHS * 64 / 2


def test_padding_and_whoever_it_is_paired_with_stay_as_they_are(
    undisturbed: list[Batch], plain: list[Batch]
) -> None:
    for step in (STEPS - 1, 2 * STEPS - 1):
        assert plain[step]["weights"].tolist() == [1.0] + [0.0] * (BATCH - 1)
        for key in ("images", "targets"):
            np.testing.assert_array_equal(undisturbed[step][key], plain[step][key])


def test_a_pair_is_mixed_anew_in_every_epoch(undisturbed: list[Batch]) -> None:
    own = [
        {
            number: target[label]
            for batch in undisturbed[epoch * STEPS : (epoch + 1) * STEPS]
            for number, target, label in zip(
                batch["ids"], batch["targets"], batch["labels"], strict=True
            )
            if number >= 0
        }
        for epoch in range(EPOCHS)
    ]
    assert sum(own[0][number] != own[1][number] for number in own[0]) > 20


@pytest.mark.parametrize("slices", [{"replicas_here": 2}, {"replicas_here": 8}])
def test_replicas_batches_make_up_the_one_devices(
    train: Train, undisturbed: list[Batch], name: str, slices: dict[str, int]
) -> None:
    parts = train(name, slice_=pipeline.Slice(BATCH, **slices))
    count = slices["replicas_here"]
    together = [
        {key: np.concatenate([part[key] for part in parts[i : i + count]]) for key in parts[0]}
        for i in range(0, len(parts), count)
    ]
    assert_equal(together, undisturbed)


def test_workers_batches_make_up_the_one_workers(
    train: Train, undisturbed: list[Batch], name: str
) -> None:
    parts = [train(name, slice_=pipeline.Slice(BATCH, 2, worker)) for worker in range(2)]
    together = [
        {key: np.concatenate([first[key], second[key]]) for key in first}
        for first, second in zip(*parts, strict=True)
    ]
    assert_equal(together, undisturbed)


@pytest.mark.parametrize("start_step", range(1, EPOCHS * STEPS))
def test_a_start_at_any_step_goes_on_with_the_same_mixtures(
    train: Train, undisturbed: list[Batch], name: str, start_step: int
) -> None:
    assert_equal(train(name, start_step=start_step), undisturbed[start_step:])


def test_mixing_augmentations_work_in_the_order_of_the_list(train: Train) -> None:
    assert MIXING[1:], "two at least, for an order"
    one, other = MIXING[:2]
    there, back = train(one, other, start_step=8)[0], train(other, one, start_step=8)[0]
    assert not np.array_equal(there["images"], back["images"])
    for batch in (there, back):
        np.testing.assert_allclose(batch["targets"].sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("steps", [[0], [4], [1, 3, 8], [9, 2, 2], list(range(10))])
def test_chosen_batches_are_those_of_the_whole_run(
    train: Train, undisturbed: list[Batch], name: str, steps: list[int]
) -> None:
    expected = [undisturbed[step] for step in sorted(set(steps))]
    assert_equal(train(name, steps=steps), expected)


def test_a_batch_of_each_epoch_has_that_epochs_key(
    train: Train, undisturbed: list[Batch], manifest: schema.Manifest, name: str
) -> None:
    """The mixtures of step 0 and of the next epoch's, repeated by hand from the plain pictures."""
    mixer = make_augmentations((CUT, name), (), SIZE, manifest.statistics("train"))[1]
    for step, whole in zip((0, STEPS), train(steps=[0, STEPS]), strict=True):
        key = order.pixel_seed(3, step // STEPS) + 1
        seeds = np.stack([np.full(BATCH, key), whole["ids"]], 1)
        images, targets = mixer.mix(whole["images"], whole["targets"], seeds)
        np.testing.assert_array_equal(undisturbed[step]["images"], images)
        np.testing.assert_allclose(undisturbed[step]["targets"], targets, rtol=1e-6)
