"""Evaluation batches hold whole pictures once each, in the order of the files."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from catdog import schema
from catdog.data import pipeline
from catdog.errors import UsageError

EXAMPLES = 65
BATCH = 16
STEPS = 5

Batch = dict[str, np.ndarray]


def evaluated(
    folder: Path, manifest: schema.Manifest, slice_: pipeline.Slice, *, split: str = "train"
) -> list[Batch]:
    dataset = pipeline.eval_dataset(folder, manifest, split, slice_=slice_, window_bytes=10**6)
    return list(dataset.as_numpy_iterator())


def test_evaluation_reads_whole_pictures_in_the_order_of_the_files(
    data_dir: Path, manifest: schema.Manifest, stored: list[tuple[np.ndarray, int]]
) -> None:
    batches = evaluated(data_dir, manifest, pipeline.Slice(BATCH))
    assert len(batches) == STEPS
    ids, labels, weights, images = (
        np.concatenate([batch[name] for batch in batches])
        for name in ("ids", "labels", "weights", "images")
    )
    padding = STEPS * BATCH - EXAMPLES
    assert ids.tolist() == [*range(EXAMPLES), *[-1] * padding]
    assert weights.tolist() == [1.0] * EXAMPLES + [0.0] * padding
    assert labels[:EXAMPLES].tolist() == [label for _, label in stored]
    np.testing.assert_array_equal(images[:EXAMPLES], [image for image, _ in stored])


def test_evaluation_of_several_workers_covers_each_batch_once(
    data_dir: Path, manifest: schema.Manifest
) -> None:
    whole = evaluated(data_dir, manifest, pipeline.Slice(BATCH))
    parts = [evaluated(data_dir, manifest, pipeline.Slice(BATCH, 2, w)) for w in range(2)]
    for batch, first, second in zip(whole, *parts, strict=True):
        for name in batch:
            np.testing.assert_array_equal(np.concatenate([first[name], second[name]]), batch[name])


def test_encoded_pictures_come_back_whole_in_padded_batches() -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    jpegs = [tf.io.encode_jpeg(picture).numpy() for picture in pictures]
    dataset = pipeline.encoded_dataset(jpegs, image_size=32, slice_=pipeline.Slice(4))
    first, second = dataset.as_numpy_iterator()
    assert [*first["ids"], *second["ids"]] == [0, 1, 2, 3, 4, -1, -1, -1]
    assert second["weights"].tolist() == [1, 0, 0, 0]
    for place, image in enumerate([*first["images"], *second["images"]][:5]):
        np.testing.assert_array_equal(image, tf.io.decode_jpeg(jpegs[place]))


def test_the_last_step_of_an_epoch_may_be_short_of_examples() -> None:
    assert [pipeline.steps_per_epoch(n, 64) for n in (1, 63, 64, 65, 128)] == [1, 1, 1, 2, 2]


def test_a_batch_that_replicas_cannot_share_is_refused() -> None:
    assert pipeline.Slice(12, workers=2, replicas_here=3).replica_batch_size == 2
    with pytest.raises(UsageError, match="multiple of the 6 replicas, received 16"):
        pipeline.Slice(16, workers=2, replicas_here=3)
