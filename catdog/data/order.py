"""Which example comes when: a pure function of (seed, epoch, position) and of nothing else.

An epoch visits every example once. Its shards are permuted and packed into windows of whole
shards; a window is read front to back, and all of its records are fully permuted. A data set that
fits one window is therefore globally shuffled, and starting at any position reads one window at
the most.

The permutation is the stable argsort of SplitMix64 hashes (Steele, Lea, Flood: Fast splittable
pseudorandom number generators, OOPSLA 2014), so it does not change with numpy's generators.
`ORDER_VERSION` is raised if it ever does change.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ORDER_VERSION = 1

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)

# One constant for each use of the seed, so that no two uses share a stream.
_SHARDS, _RECORDS, _PIXELS = 1, 2, 3


def splitmix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The SplitMix64 output for each state in `values`; same shape, dtype uint64."""
    with np.errstate(over="ignore"):
        z = values + _GAMMA
        z = (z ^ (z >> np.uint64(30))) * _MIX_1
        z = (z ^ (z >> np.uint64(27))) * _MIX_2
        return z ^ (z >> np.uint64(31))


def derive(*parts: int) -> int:
    """One 64-bit key that depends on every part and on their order; 0 <= key < 2**64."""
    key = np.zeros(1, np.uint64)
    for part in parts:
        key = splitmix64(key ^ np.uint64(part % 2**64))
    return int(key[0])


def permutation(count: int, key: int) -> NDArray[np.int64]:
    """The numbers 0 … count - 1 in the order that `key` names; shape [count], int64."""
    hashes = splitmix64(np.arange(count, dtype=np.uint64) ^ np.uint64(key))
    return np.argsort(hashes, kind="stable").astype(np.int64)


def pixel_seed(seed: int, epoch: int) -> int:
    """The first half of every example's augmentation seed in `epoch`; the id is the other half.

    It is a signed 64-bit number, as TensorFlow's stateless operations take it.
    """
    return int(np.uint64(derive(_PIXELS, seed, epoch)).astype(np.int64))


def mark(example: Any) -> Any:
    """The id in a batch of the example of this number when its record cannot be used: -2 or less.

    Its own inverse, for numbers, arrays and tensors; -1 is left to padding.
    """
    return -2 - example


def bad_examples(ids: NDArray[np.int64]) -> list[int]:
    """The numbers of the examples that the ids of a batch mark as unusable, ascending."""
    return sorted({int(mark(number)) for number in ids.ravel() if number < -1})


@dataclasses.dataclass(frozen=True)
class Window:
    """A group of whole shards, and the order in which its records are used.

    Attributes:
      epoch: the epoch that the window belongs to, from 0.
      shards: the shards' numbers, in the order they are read.
      positions: int64 [n], places in the concatenation of those shards.
      ids: int64 [n], the examples' numbers in the split; -1 marks padding, which has weight 0.
    """

    epoch: int
    shards: tuple[int, ...]
    positions: NDArray[np.int64]
    ids: NDArray[np.int64]


def _packed(
    shards: Sequence[int], shard_bytes: Sequence[int], window_bytes: int
) -> Iterator[tuple[int, ...]]:
    """Groups of consecutive `shards` of at most `window_bytes` each, or of one shard."""
    group: list[int] = []
    size = 0
    for shard in shards:
        if group and size + shard_bytes[shard] > window_bytes:
            yield tuple(sorted(group))
            group, size = [], 0
        group.append(shard)
        size += shard_bytes[shard]
    if group:
        yield tuple(sorted(group))


def _ids(shards: Sequence[int], counts: Sequence[int]) -> NDArray[np.int64]:
    """The examples' numbers in the split for the records of `shards`, in reading order."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    parts = [np.arange(starts[s], starts[s + 1], dtype=np.int64) for s in shards]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def shuffled(
    counts: Sequence[int],
    shard_bytes: Sequence[int],
    *,
    window_bytes: int,
    seed: int,
    epoch: int,
) -> list[Window]:
    """The windows of one epoch, shuffled.

    Args:
      counts: records in each shard.
      shard_bytes: size of each shard.
      window_bytes: how much a window may hold; a shard is never cut.
      seed: the run's seed.
      epoch: from 0.
    """
    shards = permutation(len(counts), derive(_SHARDS, seed, epoch))
    windows = []
    for group in _packed([int(s) for s in shards], shard_bytes, window_bytes):
        ids = _ids(group, counts)
        positions = permutation(len(ids), derive(_RECORDS, seed, epoch, *group))
        windows.append(Window(epoch, group, positions, ids[positions]))
    return windows


def sequential(
    counts: Sequence[int], shard_bytes: Sequence[int], *, window_bytes: int
) -> list[Window]:
    """The windows of one pass in the order of the files."""
    windows = []
    for group in _packed(range(len(counts)), shard_bytes, window_bytes):
        ids = _ids(group, counts)
        windows.append(Window(0, group, np.arange(len(ids), dtype=np.int64), ids))
    return windows


def padded(windows: Sequence[Window], multiple: int) -> list[Window]:
    """The windows with the last one lengthened until the examples fill whole batches.

    Padding repeats a record under the id -1, so that shapes never change.
    """
    windows = [window for window in windows if len(window.ids)]
    missing = -sum(len(window.ids) for window in windows) % multiple
    if not windows or not missing:
        return windows
    last = windows[-1]
    positions = np.concatenate([last.positions, np.repeat(last.positions[:1], missing)])
    ids = np.concatenate([last.ids, np.full(missing, -1, np.int64)])
    return [*windows[:-1], Window(last.epoch, last.shards, positions, ids)]


def skipped(windows: Sequence[Window], examples: int) -> list[Window]:
    """The windows without their first `examples` examples; whole windows are never read."""
    kept = []
    for window in windows:
        drop = min(examples, len(window.ids))
        examples -= drop
        if drop < len(window.ids):
            kept.append(
                Window(window.epoch, window.shards, window.positions[drop:], window.ids[drop:])
            )
    return kept


def worker_slice(
    windows: Sequence[Window], *, batch_size: int, workers: int, worker: int
) -> list[Window]:
    """The part of every batch that `worker` of `workers` has to read.

    Each batch of `batch_size` consecutive examples is cut into `workers` equal runs.
    """
    share = batch_size // workers
    kept = []
    start = 0
    for window in windows:
        place = (start + np.arange(len(window.ids))) % batch_size
        mine = place // share == worker
        start += len(window.ids)
        if mine.any():
            kept.append(
                Window(window.epoch, window.shards, window.positions[mine], window.ids[mine])
            )
    return kept
