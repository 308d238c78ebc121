"""From windows to encoded records: what is read of the shards, in which order, checked."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from catdog import schema
from catdog.data import order
from catdog.errors import IntegrityError

# (path, inode, size, time of the last change, sha256) of the shards that this process found right.
_checked: set[tuple[str, int, int, int, str]] = set()


def check_content(data_dir: Path, shard: schema.Shard) -> None:
    """Nothing, when the file has the sha256 of its manifest; read once as long as it is unchanged.

    tf.data does not see two records that changed places, or a shard of another build.

    Raises:
      IntegrityError: it has another one.
      OSError: it cannot be read.
    """
    path = data_dir / shard.file
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        known = (str(path), about.st_ino, about.st_size, about.st_mtime_ns, shard.sha256)
        if known in _checked:
            return
        if hashlib.file_digest(file, "sha256").hexdigest() != shard.sha256:
            raise IntegrityError(
                f"{path} differs from what its manifest describes; copy it again or rebuild it"
            )
    _checked.add(known)


def windows_dataset(
    data_dir: Path,
    split: schema.Split,
    windows: Callable[[], Iterable[order.Window]],
    seed: int,
    *,
    check_contents: bool,
) -> tf.data.Dataset:
    """One element a window: its files, record count, positions, ids and pixel seed.

    With `check_contents` the window's shards are held against their sha256 first.
    """
    files = [str(data_dir / shard.file) for shard in split.shards]
    counts = [shard.examples for shard in split.shards]

    def elements() -> Iterator[tuple[Any, ...]]:
        for window in windows():
            for shard in window.shards if check_contents else ():
                check_content(data_dir, split.shards[shard])
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
