"""Records in, batches out: the two tf.data pipelines of catdog.

Both read windows of whole shards (`order`), keep the records encoded until they are due, and
decode in parallel. Pictures stay uint8 until they are on the device.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import tensorflow as tf

from catdog import schema
from catdog.data import order
from catdog.errors import UsageError


class Augmentation(Protocol):
    """What the pipeline asks of an augmentation; see `catdog.augmentations`."""

    image_size: int

    def crop_box(self, stored_size: int, seed: Any) -> Any: ...

    def __call__(self, image: Any, seed: Any) -> Any: ...


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


def _windows_dataset(
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


def _records_of(records: Any, positions: Any, ids: Any, seed: Any) -> tf.data.Dataset:
    places = tf.data.Dataset.from_tensor_slices((positions, ids))
    return places.map(lambda position, index: (records[position], index, seed))


def _records(windows: tf.data.Dataset) -> tf.data.Dataset:
    """(encoded record, id, pixel seed) in the order of the windows.

    The next window is read while this one is used, so two of them are in memory at the most.
    """
    return windows.map(_read_window, num_parallel_calls=1, deterministic=True).flat_map(_records_of)


def _options(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options)


def _decoded_part(encoded: Any, box: Any, stored_size: int) -> Any:
    """uint8 [height, width, 3]: the part that `box` names, pixel for pixel as in the whole picture.

    The decoder interpolates colours between neighbouring columns, so the outer columns of a part
    come out right only when one more column is decoded on each side.
    """
    top, left, height, width = tf.unstack(box)
    before = tf.minimum(left, 1)
    after = tf.minimum(stored_size - left - width, 1)
    wider = tf.stack([top, left - before, height, before + width + after])
    part = tf.image.decode_and_crop_jpeg(encoded, wider, channels=3)
    return part[:, before : before + width]


def _decoder(augmentations: Sequence[Augmentation], stored_size: int) -> Callable[[Any, Any], Any]:
    """encoded JPEG, seed int64 [2] -> augmented uint8 image; decodes no more than it needs.

    Each augmentation draws from a seed of its own: the run's key plus its place in the list.
    """

    def decode(encoded: Any, seed: Any) -> Any:
        box = augmentations[0].crop_box(stored_size, seed)
        image = _decoded_part(encoded, box, stored_size)
        for place, augmentation in enumerate(augmentations):
            image = augmentation(image, tf.stack([seed[0] + place, seed[1]]))
        return image

    return decode


def _decode_whole(encoded: Any, seed: Any) -> Any:
    del seed
    return tf.image.decode_jpeg(encoded, channels=3)


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


def _element(image: Any, size: int, label: Any, index: Any) -> dict[str, Any]:
    return {
        "images": tf.ensure_shape(image, [size, size, 3]),
        "labels": tf.cast(label, tf.int32),
        "ids": index,
        "weights": tf.cast(index >= 0, tf.float32),
    }


def _batched(examples: tf.data.Dataset, slice_: Slice) -> tf.data.Dataset:
    batches = examples.batch(slice_.replica_batch_size, drop_remainder=True)
    return _options(batches.prefetch(2 * slice_.replicas_here))


def _batches(
    records: tf.data.Dataset,
    decode: Callable[[Any, Any], Any],
    size: int,
    slice_: Slice,
    reader_threads: int,
) -> tf.data.Dataset:
    """Batches of decoded elements, from (encoded record, id, pixel seed)."""

    def example(record: Any, index: Any, pixel_seed: Any) -> dict[str, Any]:
        parsed = schema.parse(record)
        image = decode(parsed["encoded"], tf.stack([pixel_seed, index]))
        return _element(image, size, parsed["label"], index)

    threads = reader_threads or tf.data.AUTOTUNE
    examples = records.map(example, num_parallel_calls=threads, deterministic=True)
    return _batched(examples, slice_)


def train_dataset(
    data_dir: Path,
    manifest: schema.Manifest,
    split_name: str,
    *,
    slice_: Slice,
    augmentations: Sequence[Augmentation],
    seed: int,
    epochs: int,
    start_step: int = 0,
    window_bytes: int = 1 << 30,
    reader_threads: int = 0,
) -> tf.data.Dataset:
    """Batches of the epochs `start_step // steps` … `epochs` - 1, one replica's each.

    Elements are dicts: "images" uint8 [b, size, size, 3], "labels" int32 [b], "ids" int64 [b]
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
    """
    split = manifest.split(split_name)
    decode = _decoder(augmentations, manifest.image_size)

    def windows() -> Iterator[order.Window]:
        steps = steps_per_epoch(split.examples, slice_.batch_size)
        for epoch in range(start_step // steps, epochs):
            found = order.shuffled(
                *_sizes(split), window_bytes=window_bytes, seed=seed, epoch=epoch
            )
            done = max(start_step - epoch * steps, 0) * (slice_.batch_size // slice_.workers)
            yield from order.skipped(_own_part(found, slice_), done)

    records = _records(_windows_dataset(data_dir, split, windows, seed))
    return _batches(records, decode, augmentations[0].image_size, slice_, reader_threads)


def eval_dataset(
    data_dir: Path,
    manifest: schema.Manifest,
    split_name: str,
    *,
    slice_: Slice,
    window_bytes: int = 1 << 28,
    reader_threads: int = 0,
) -> tf.data.Dataset:
    """One pass over whole pictures in the order of the files.

    Elements are as those of `train_dataset`, with "images" uint8 [b, stored, stored, 3].
    """
    split = manifest.split(split_name)

    def windows() -> list[order.Window]:
        return _own_part(order.sequential(*_sizes(split), window_bytes=window_bytes), slice_)

    records = _records(_windows_dataset(data_dir, split, windows, 0))
    return _batches(records, _decode_whole, manifest.image_size, slice_, reader_threads)


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
    return _batched(examples, slice_)
