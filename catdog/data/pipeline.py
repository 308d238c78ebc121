"""Records in, batches out: the two tf.data pipelines of catdog.

Both read windows of whole shards (`order`), keep the records encoded until they are due, and
decode in parallel. Pictures stay uint8 until they are on the device.

A record that cannot be used (no example, a label or size that the manifest does not allow, a
damaged JPEG) comes as a black picture with label and weight 0 and the id `order.mark(number)`, -2
or less; `inquest.bad_records` says why. Other damage ends the iteration with an error of
TensorFlow's; `inquest.explained` says where.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from catdog import schema
from catdog.data import _augment, _guard, _records, order
from catdog.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Slice:
    """Which part of each batch is read here: batches of `batch_size`, cut for `workers`."""

    batch_size: int
    workers: int = 1
    worker: int = 0
    replicas_here: int = 1

    @property
    def replica_batch_size(self) -> int:
        """Examples that one replica gets at a time."""
        return self.batch_size // (self.workers * self.replicas_here)

    def __post_init__(self) -> None:
        parts = self.workers * self.replicas_here
        if self.batch_size % parts:
            raise UsageError(
                f"the batch size must be a multiple of the {parts} replicas, "
                f"received {self.batch_size}"
            )


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Batches that hold every example once; the last one may be padded."""
    return -(-examples // batch_size)


def _options(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)


def _sizes(split: schema.Split) -> tuple[list[int], list[int]]:
    """Record count and bytes of each shard."""
    return [shard.examples for shard in split.shards], [shard.bytes for shard in split.shards]


def _own_part(windows: list[order.Window], slice_: Slice) -> list[order.Window]:
    return order.worker_slice(
        order.padded(windows, slice_.batch_size),
        batch_size=slice_.batch_size,
        workers=slice_.workers,
        worker=slice_.worker,
    )


def _kept(windows: list[order.Window], batches: list[int], share: int) -> Iterator[order.Window]:
    """What the windows of an epoch hold of its batches number `batches`, of `share` examples."""
    start = 0
    for window in windows:
        kept = np.isin((start + np.arange(len(window.ids))) // share, batches)
        start += len(window.ids)
        if kept.any():
            yield dataclasses.replace(
                window, positions=window.positions[kept], ids=window.ids[kept]
            )


def _shuffled(split: schema.Split, window_bytes: int, seed: int, epoch: int) -> list[order.Window]:
    """The windows of one epoch of training."""
    return order.shuffled(*_sizes(split), window_bytes=window_bytes, seed=seed, epoch=epoch)


def _element(image: Any, size: int, label: Any, index: Any) -> dict[str, Any]:
    return {
        "images": tf.ensure_shape(image, [size, size, 3]),
        "labels": tf.cast(label, tf.int32),
        "ids": index,
        "weights": tf.cast(index >= 0, tf.float32),
    }


def _prefetched(batches: tf.data.Dataset, slice_: Slice) -> tf.data.Dataset:
    return _options(batches.prefetch(2 * slice_.replicas_here))


def _batches(
    records: tf.data.Dataset,
    manifest: schema.Manifest,
    decode: Callable[[Any, Any], Any],
    finish: Callable[[dict[str, Any], Any], dict[str, Any]],
    *,
    size: int,
    slice_: Slice,
    reader_threads: int,
) -> tf.data.Dataset:
    """Finished batches of decoded elements, from (encoded record, id, pixel seed)."""

    def example(record: Any, index: Any, pixel_seed: Any) -> tuple[dict[str, Any], Any]:
        parsed = schema.parse(record)
        encoded = _guard.sound_jpeg(
            parsed["encoded"],
            parsed["label"],
            stored_size=manifest.image_size,
            num_classes=len(manifest.class_names),
        )
        seed = tf.stack([pixel_seed, index])
        return _element(decode(encoded, seed), size, parsed["label"], index), seed

    batches = _guard.batches(
        records,
        example,
        size=size,
        batch_size=slice_.replica_batch_size,
        threads=reader_threads or tf.data.AUTOTUNE,
    )
    return _prefetched(batches.map(finish), slice_)


def _train_batches(
    data_dir: Path,
    manifest: schema.Manifest,
    split: schema.Split,
    windows: Callable[[], Iterator[order.Window]],
    slice_: Slice,
    augmentations: Sequence[_augment.Augmentation],
    seed: int,
    reader_threads: int,
    check_contents: bool,
) -> tf.data.Dataset:
    """The augmented batches of the examples that `windows` names."""
    found = _records.windows_dataset(data_dir, split, windows, seed, check_contents=check_contents)
    return _batches(
        _records.records_of(found),
        manifest,
        _augment.decoder(augmentations, manifest.image_size),
        _augment.finisher(augmentations, len(manifest.class_names)),
        size=augmentations[0].image_size,
        slice_=slice_,
        reader_threads=reader_threads,
    )


def _finish_whole(batch: dict[str, Any], seeds: Any) -> dict[str, Any]:
    del seeds
    return batch


def _decode_whole(encoded: Any, seed: Any) -> Any:
    del seed
    return tf.image.decode_jpeg(encoded, channels=3)


def train_dataset(
    data_dir: Path,
    manifest: schema.Manifest,
    split_name: str,
    *,
    slice_: Slice,
    augmentations: Sequence[_augment.Augmentation],
    seed: int,
    epochs: int,
    start_step: int = 0,
    window_bytes: int = 1 << 30,
    reader_threads: int = 0,
    check_contents: bool = False,
) -> tf.data.Dataset:
    """Batches of the epochs `start_step // steps` … `epochs` - 1, one replica's each.

    Elements are dicts: "images" uint8 [b, size, size, 3], "labels" int32 [b], "targets"
    float32 [b, C] (what the mixing augmentations made of the labels' one-hot rows), "ids" int64 [b]
    (the example's number in the split, -1 for padding), "weights" float32 [b] (0 for padding),
    where b is `slice_.replica_batch_size`. The last batch of an epoch is padded, never short.

    Args:
      data_dir: folder of a built data set.
      manifest: its manifest.
      split_name: which split to read.
      slice_: the batch size and the part of it that is read here.
      augmentations: applied in this order; the first one cuts.
      seed: of the order and of the augmentations.
      epochs: the epoch to stop before.
      start_step: batches of the whole run to leave out; they are neither read nor decoded,
        except within the window where the start falls.
      window_bytes: how many bytes of records are shuffled together.
      reader_threads: pictures decoded at the same time, 0 lets tf.data choose; no influence
        on what comes.
      check_contents: end with an error before a shard that has not the sha256 of its manifest;
        each is hashed once a process, as its window is read.
    """
    split = manifest.split(split_name)
    per_epoch = steps_per_epoch(split.examples, slice_.batch_size)

    def windows() -> Iterator[order.Window]:
        for epoch in range(start_step // per_epoch, epochs):
            found = _shuffled(split, window_bytes, seed, epoch)
            done = max(start_step - epoch * per_epoch, 0) * (slice_.batch_size // slice_.workers)
            yield from order.skipped(_own_part(found, slice_), done)

    chosen = (slice_, augmentations, seed, reader_threads, check_contents)
    return _train_batches(data_dir, manifest, split, windows, *chosen)


def chosen_batches(
    data_dir: Path,
    manifest: schema.Manifest,
    split_name: str,
    steps: Sequence[int],
    *,
    slice_: Slice,
    augmentations: Sequence[_augment.Augmentation],
    seed: int,
    window_bytes: int = 1 << 30,
    reader_threads: int = 0,
) -> tf.data.Dataset:
    """The batches number `steps` of `train_dataset`, in ascending order; no other is decoded."""
    split = manifest.split(split_name)
    per_epoch = steps_per_epoch(split.examples, slice_.batch_size)

    def windows() -> Iterator[order.Window]:
        for epoch in sorted({step // per_epoch for step in steps}):
            wanted = [step - epoch * per_epoch for step in steps]
            found = _shuffled(split, window_bytes, seed, epoch)
            yield from _kept(_own_part(found, slice_), wanted, slice_.batch_size // slice_.workers)

    return _train_batches(
        data_dir, manifest, split, windows, slice_, augmentations, seed, reader_threads, False
    )


def eval_dataset(
    data_dir: Path,
    manifest: schema.Manifest,
    split_name: str,
    *,
    slice_: Slice,
    window_bytes: int = 1 << 28,
    reader_threads: int = 0,
    check_contents: bool = False,
) -> tf.data.Dataset:
    """One pass over whole pictures in the order of the files.

    Elements are as those of `train_dataset`, with "images" uint8 [b, stored, stored, 3] and without
    "targets".
    """
    split = manifest.split(split_name)

    def windows() -> list[order.Window]:
        return _own_part(order.sequential(*_sizes(split), window_bytes=window_bytes), slice_)

    found = _records.windows_dataset(data_dir, split, windows, 0, check_contents=check_contents)
    return _batches(
        _records.records_of(found),
        manifest,
        _decode_whole,
        _finish_whole,
        size=manifest.image_size,
        slice_=slice_,
        reader_threads=reader_threads,
    )


def encoded_dataset(jpegs: Sequence[bytes], *, image_size: int, slice_: Slice) -> tf.data.Dataset:
    """Batches of pictures that are in no record, as `eval_dataset` gives them; labels are 0.

    Args:
      jpegs: at least one, each of `image_size` × `image_size` pixels; ids are their places.
      image_size: their side.
      slice_: the batch size.
    """
    missing = -len(jpegs) % slice_.batch_size
    ids = [*range(len(jpegs)), *[-1] * missing]
    encoded = tf.constant([*jpegs, *[jpegs[0]] * missing])
    places = tf.data.Dataset.from_tensor_slices((encoded, tf.constant(ids, tf.int64)))

    def example(jpeg: Any, index: Any) -> dict[str, Any]:
        return _element(tf.image.decode_jpeg(jpeg, channels=3), image_size, 0, index)

    examples = places.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    batches = examples.batch(slice_.replica_batch_size, drop_remainder=True)
    return _prefetched(batches, slice_)
