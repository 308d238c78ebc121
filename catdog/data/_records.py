"""From windows to encoded records: what is read of the shards, in which order, checked."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from catdog import schema
from catdog.data import order


def windows_dataset(
    data_dir: Path, split: schema.Split, windows: Callable[[], Iterable[order.Window]], seed: int
) -> tf.data.Dataset:
    """One element a window: its files, record count, positions, ids and pixel seed."""
    files = [str(data_dir / shard.file) for shard in split.shards]
    counts = [shard.examples for shard in split.shards]

    def elements() -> Iterator[tuple[Any, ...]]:
        for window in windows():
            yield (
                [files[shard] for shard in window.shards],
                sum(counts[shard] for shard in window.shards),
                window.positions,
                window.ids,
                order.pixel_seed(seed, window.epoch),
            )

    signature = (
        tf.TensorSpec([None], tf.string),
        tf.TensorSpec([], tf.int64),
        tf.TensorSpec([None], tf.int64),
        tf.TensorSpec([None], tf.int64),
        tf.TensorSpec([], tf.int64),
    )
    return tf.data.Dataset.from_generator(elements, output_signature=signature)


def _read_window(files: Any, count: Any, positions: Any, ids: Any, seed: Any) -> tuple[Any, ...]:
    """The window's encoded records, string [count + 1], in the order of the files."""
    records = tf.data.TFRecordDataset(files, buffer_size=4 << 20).take(count + 1)
    # The empty record at the end, which no position names, keeps an empty file from being special.
    records = records.concatenate(tf.data.Dataset.from_tensors(b""))
    records = records.batch(count + 2).get_single_element()
    found = tf.size(records, out_type=tf.int64) - 1
    message = "the manifest counts more or fewer records than these shards hold"
    with tf.control_dependencies(
        [tf.debugging.Assert(found == count, [message, files, "counted", count, "found", found])]
    ):
        return tf.identity(records), positions, ids, seed


def _places_of(records: Any, positions: Any, ids: Any, seed: Any) -> tf.data.Dataset:
    places = tf.data.Dataset.from_tensor_slices((positions, ids))
    return places.map(lambda position, index: (records[position], index, seed))


def records_of(windows: tf.data.Dataset) -> tf.data.Dataset:
    """(encoded record, id, pixel seed) in the order of the windows.

    The next window is read while this one is used, so two of them are in memory at the most.
    """
    return windows.map(_read_window, num_parallel_calls=1, deterministic=True).flat_map(_places_of)
