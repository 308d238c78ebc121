"""Which devices train, and which part of each batch is read for them."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from catdog.data.pipeline import Slice
from catdog.errors import UsageError


def make_strategy(devices: Sequence[str]) -> tf.distribute.Strategy:
    """A strategy for the named devices; none named means every GPU, or the CPU without one.

    Raises:
      UsageError: a device that is not there.
    """
    present = [device.name.rpartition("device:")[2] for device in tf.config.list_logical_devices()]
    for device in devices:
        if device not in present:
            raise UsageError(f"no device {device!r} here; --devices takes {', '.join(present)}")
    if len(set(devices)) < len(devices):
        raise UsageError(f"--devices takes each device once, received {','.join(devices)}")
    chosen = list(devices) or [name for name in present if name.startswith("GPU")] or ["CPU:0"]
    if len(chosen) == 1:
        return tf.distribute.OneDeviceStrategy(chosen[0])
    return _mirrored(tuple(chosen))


@functools.cache
def _mirrored(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """The one MirroredStrategy that this process has for these devices.

    Two of them number their collective operations alike; TensorFlow then takes one's for the
    other's and aborts all ("Shape mismatch in the collective instance").
    """
    return tf.distribute.MirroredStrategy(list(devices))


def slice_of(strategy: tf.distribute.Strategy, batch_size: int) -> Slice:
    """The part of batches of `batch_size` that this process reads.

    Raises:
      UsageError: the batch size is no multiple of the number of replicas.
    """
    replicas = strategy.num_replicas_in_sync
    return Slice(batch_size, replicas_here=replicas)


def evaluation_slice(strategy: tf.distribute.Strategy, batch_size: int) -> Slice:
    """The same for batches that are only scored: their size is rounded up to fit the replicas."""
    return slice_of(strategy, batch_size + -batch_size % strategy.num_replicas_in_sync)


def distributed_iterator(
    strategy: tf.distribute.Strategy, make_dataset: Callable[[], tf.data.Dataset]
) -> Iterator[Any]:
    """An iterator of per-replica batches.

    `make_dataset` gives batches of one replica; consecutive ones go to replicas 0, 1, …, so that
    together they are the batch that one device would have had, in the same order.
    """
    return iter(strategy.distribute_datasets_from_function(lambda context: make_dataset()))
