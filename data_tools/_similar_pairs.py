"""Pairs of pictures that may be copies, found without comparing all with all.

Two hashes of eight bytes that differ in six bits or fewer have two bytes in common. There are 28
ways to choose two bytes; for each way the hashes are sorted by these two, and neighbours with the
same two are compared. Mirror images are sorted in beside the pictures themselves.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from data_tools import _similar

# Copies of real pictures differ in 4 of 64 bits at most (made brighter: 8), unrelated ones in
# 32; those that differ in 7 to 10 are found only if two bytes are equal by chance.
_BITS = 10

# Where very many hashes have two bytes in common each is compared with so many next to it, in the
# order of the whole hash: the time stays in proportion to the number of pictures.
_WINDOW = 64


def _neighbours(keys: NDArray[np.uint16]) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Places of equal keys, first of those side by side in the sorted order, then two apart, ..."""
    order = np.argsort(keys, kind="stable").astype(np.int32)
    run = keys[order]
    for step in range(1, min(_WINDOW, len(run) - 1) + 1):
        same = np.flatnonzero(run[step:] == run[:-step])
        if not len(same):
            return
        yield order[same], order[same + step]


def rounds(
    luma: NDArray[np.uint8], rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Again and again pairs (first < second) of numbers 0..m-1 of the m pictures at `rows` of luma.

    A pair may come more than once. The same pictures in the same order give the same pairs.
    """
    count = len(rows)
    both = np.concatenate(
        [_similar.hashes(luma, rows, mirrored=mirrored) for mirrored in (False, True)]
    )
    whole = both.view(np.uint64)[:, 0]
    order = np.argsort(whole, kind="stable")
    both, whole = both[order], whole[order]
    number, turned = (order % count).astype(np.int32), order >= count
    del order
    for one, other in itertools.combinations(range(_similar.HASH_BYTES), 2):
        keys = both[:, one].astype(np.uint16) << 8 | both[:, other]
        for left, right in _neighbours(keys):
            near = np.bitwise_count(whole[left] ^ whole[right]) <= _BITS
            near &= ~(turned[left] & turned[right]) & (number[left] != number[right])
            ends = number[left[near]], number[right[near]]
            yield np.minimum(*ends), np.maximum(*ends)
