"""The order is a pure function, holds every example once, and never changes by accident."""

import itertools

import numpy as np
import pytest

from catdog.data import order
from catdog.data.order import Window

# The generator's outputs as its authors' reference program prints them, one after the other.
REFERENCE = {
    1234567: [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ],
    0: [16294208416658607535, 7960286522194355700, 487617019471545679],
}
GAMMA = 0x9E3779B97F4A7C15

Layout = tuple[list[int], list[int]]


def mixed(state: int) -> int:
    """SplitMix64 in plain Python integers."""
    z = (state + GAMMA) % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def layouts() -> list[Layout]:
    """(record counts, shard sizes) of many kinds, some with shards that hold nothing."""
    rng = np.random.default_rng(5)
    found: list[Layout] = [([1], [70]), ([0, 3], [0, 90]), ([4, 0, 0, 2], [80, 0, 0, 40])]
    for shards in (1, 2, 3, 8, 17, 40):
        counts = rng.integers(1, 60, shards)
        found.append((counts.tolist(), (counts * rng.integers(10, 30, shards)).tolist()))
    return found


LAYOUTS = layouts()
WINDOW_BYTES = (1, 400, 2_000, 1 << 30)
CASES = [(layout, size) for layout in LAYOUTS for size in WINDOW_BYTES]


def shuffled(layout: Layout, window_bytes: int, seed: int = 0, epoch: int = 0) -> list[Window]:
    counts, sizes = layout
    return order.shuffled(counts, sizes, window_bytes=window_bytes, seed=seed, epoch=epoch)


def ids_of(windows: list[Window]) -> list[int]:
    return [number for window in windows for number in window.ids.tolist()]


def equal(ones: list[Window], others: list[Window]) -> bool:
    return len(ones) == len(others) and all(
        (one.epoch, one.shards) == (other.epoch, other.shards)
        and np.array_equal(one.positions, other.positions)
        and np.array_equal(one.ids, other.ids)
        for one, other in zip(ones, others, strict=True)
    )


@pytest.mark.parametrize("seed", REFERENCE)
def test_splitmix64_gives_the_reference_outputs(seed: int) -> None:
    states = [(seed + step * GAMMA) % 2**64 for step in range(len(REFERENCE[seed]))]
    assert order.splitmix64(np.array(states, np.uint64)).tolist() == REFERENCE[seed]


def test_splitmix64_equals_plain_integers_on_edges_and_random_states() -> None:
    states = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]
    states += np.random.default_rng(1).integers(0, 2**64, 500, dtype=np.uint64).tolist()
    assert order.splitmix64(np.array(states, np.uint64)).tolist() == [mixed(s) for s in states]


def test_derive_chains_the_hash_and_depends_on_every_part_and_on_their_order() -> None:
    assert order.derive(1, 2) == mixed(mixed(1) ^ 2)
    assert order.derive(-1) == order.derive(2**64 - 1)
    keys = {order.derive(*parts) for parts in itertools.product(range(-3, 4), repeat=3)}
    assert len(keys) == 7**3


@pytest.mark.parametrize("count", [0, 1, 2, 10, 1000])
def test_permutation_sorts_the_hashes_of_the_numbers(count: int) -> None:
    key = order.derive(count)
    expected = sorted(range(count), key=lambda number: mixed(number ^ key))
    found = order.permutation(count, key)
    assert found.dtype == np.int64
    assert found.tolist() == expected


def test_permutation_puts_every_number_at_every_place_equally_often() -> None:
    # 6 × 6 counts of 3,000 permutations, 25 degrees of freedom: 52.6 is the 99.9 % point.
    places = np.stack([order.permutation(6, order.derive(9, key)) for key in range(3000)])
    counts = np.array([(places == number).sum(0) for number in range(6)])
    assert ((counts - 500) ** 2 / 500).sum() < 52.6


def test_the_order_is_the_one_of_version_1() -> None:
    # These literals are the contract: if they must change, so must ORDER_VERSION.
    assert order.ORDER_VERSION == 1
    assert order.derive(1, 2, 3) == 15020427595393229491
    assert order.permutation(10, 0).tolist() == [3, 5, 7, 4, 1, 2, 8, 9, 6, 0]
    layout = ([100] * 4, [1000] * 4)
    golden = {
        (0, 0, 1 << 30): [11, 373, 109, 57, 122, 97, 155, 42],
        (0, 1, 1 << 30): [350, 143, 258, 257, 144, 179, 171, 11],
        (1, 0, 1 << 30): [161, 48, 94, 245, 391, 174, 272, 317],
        (0, 0, 2000): [168, 155, 194, 167, 124, 154, 385, 346],
    }
    for (seed, epoch, window_bytes), first in golden.items():
        assert ids_of(shuffled(layout, window_bytes, seed, epoch))[:8] == first
    assert [w.shards for w in shuffled(layout, 2000)] == [(1, 3), (0, 2)]
    assert order.pixel_seed(0, 0) == 6084141021458535187
    assert order.pixel_seed(7, 3) == 8392479614093253625


@pytest.mark.parametrize(("layout", "window_bytes"), CASES)
def test_every_example_comes_once_in_every_epoch(layout: Layout, window_bytes: int) -> None:
    total = sum(layout[0])
    for seed, epoch in itertools.product((0, 1, 12345678901), (0, 1, 5)):
        windows = shuffled(layout, window_bytes, seed, epoch)
        assert sorted(ids_of(windows)) == list(range(total))
        assert {window.epoch for window in windows} == {epoch}


@pytest.mark.parametrize(("layout", "window_bytes"), CASES)
def test_windows_hold_whole_shards_and_stay_below_their_size(
    layout: Layout, window_bytes: int
) -> None:
    counts, sizes = layout
    starts = [sum(counts[:shard]) for shard in range(len(counts))]
    windows = shuffled(layout, window_bytes, seed=3, epoch=2)
    assert sorted(s for window in windows for s in window.shards) == list(range(len(counts)))
    for window in windows:
        assert sum(sizes[s] for s in window.shards) <= window_bytes or len(window.shards) == 1
        read = [starts[s] + place for s in window.shards for place in range(counts[s])]
        assert sorted(window.positions.tolist()) == list(range(len(read)))
        assert window.ids.tolist() == [read[place] for place in window.positions]


def test_windows_are_as_full_as_whole_shards_allow() -> None:
    windows = shuffled(([5] * 12, [100] * 12), 350)
    assert [len(window.shards) for window in windows] == [3, 3, 3, 3]


def test_a_set_in_one_window_is_shuffled_globally() -> None:
    counts = [7, 20, 1, 12]
    (window,) = shuffled((counts, [10] * 4), 40, seed=4, epoch=6)
    assert window.shards == (0, 1, 2, 3)
    key = order.derive(2, 4, 6, 0, 1, 2, 3)
    assert window.ids.tolist() == sorted(range(40), key=lambda number: mixed(number ^ key))


def test_the_order_is_a_pure_function_of_seed_and_epoch() -> None:
    layout = LAYOUTS[-1]
    before = {at: shuffled(layout, 2_000, *at) for at in itertools.product(range(3), range(4))}
    np.random.seed(99)
    for at in reversed(before):
        assert equal(before[at], shuffled(layout, 2_000, *at))


@pytest.mark.parametrize("window_bytes", [2_000, 1 << 30])
def test_no_two_seeds_or_epochs_share_an_order_or_a_pixel_seed(window_bytes: int) -> None:
    places = list(itertools.product((-1, 0, 1, 2, 2**40), range(6)))
    orders = {tuple(ids_of(shuffled(LAYOUTS[-1], window_bytes, *at))) for at in places}
    assert len(orders) == len(places)
    seeds = {order.pixel_seed(*at) for at in places}
    assert len(seeds) == len(places)
    assert all(-(2**63) <= seed < 2**63 for seed in seeds)


def test_epochs_group_the_shards_differently() -> None:
    groups = [
        frozenset(w.shards for w in shuffled(([5] * 12, [100] * 12), 300, epoch=epoch))
        for epoch in range(4)
    ]
    assert len(set(groups)) == 4


@pytest.mark.parametrize(("layout", "window_bytes"), CASES)
def test_sequential_windows_follow_the_files(layout: Layout, window_bytes: int) -> None:
    windows = order.sequential(*layout, window_bytes=window_bytes)
    assert ids_of(windows) == list(range(sum(layout[0])))
    assert [s for window in windows for s in window.shards] == list(range(len(layout[0])))
    assert all(w.positions.tolist() == list(range(len(w.ids))) for w in windows)


@pytest.mark.parametrize("multiple", [1, 2, 7, 64, 1000])
@pytest.mark.parametrize(("layout", "window_bytes"), CASES[:: len(WINDOW_BYTES) - 1])
def test_padding_fills_the_last_batch_and_adds_no_example(
    layout: Layout, window_bytes: int, multiple: int
) -> None:
    bare = shuffled(layout, window_bytes, seed=8)
    windows = order.padded(bare, multiple)
    total = sum(layout[0])
    padding = (multiple - total % multiple) % multiple
    assert ids_of(windows) == ids_of(bare) + [-1] * padding
    last = windows[-1]
    assert len(last.positions) == len(last.ids)
    records = sum(layout[0][shard] for shard in last.shards)
    assert set(last.positions.tolist()) == set(range(records))


def test_no_windows_need_no_padding() -> None:
    assert order.padded([], 8) == []


@pytest.mark.parametrize(("layout", "window_bytes"), CASES[:: len(WINDOW_BYTES) - 1])
def test_skipping_leaves_the_rest_of_the_order_and_reads_no_finished_window(
    layout: Layout, window_bytes: int
) -> None:
    windows = shuffled(layout, window_bytes, seed=2, epoch=1)
    everything = [
        (window.shards, int(position), int(number))
        for window in windows
        for position, number in zip(window.positions, window.ids, strict=True)
    ]
    for examples in range(0, len(everything) + 3, 1 + len(everything) // 23):
        left = order.skipped(windows, examples)
        assert all(len(window.ids) for window in left)
        assert [
            (window.shards, int(position), int(number))
            for window in left
            for position, number in zip(window.positions, window.ids, strict=True)
        ] == everything[examples:]


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("batch_size", [4, 12])
@pytest.mark.parametrize(("layout", "window_bytes"), CASES[:: len(WINDOW_BYTES) - 1])
def test_the_workers_parts_make_up_the_undivided_batches(
    layout: Layout, window_bytes: int, batch_size: int, workers: int
) -> None:
    windows = order.padded(shuffled(layout, window_bytes, seed=1), batch_size)
    numbers = ids_of(windows)
    share = batch_size // workers
    parts = [
        order.worker_slice(windows, batch_size=batch_size, workers=workers, worker=worker)
        for worker in range(workers)
    ]
    streams = [ids_of(part) for part in parts]
    steps = len(numbers) // batch_size
    assert [len(stream) for stream in streams] == [steps * share] * workers
    for step in range(steps):
        together = [n for stream in streams for n in stream[step * share : (step + 1) * share]]
        assert together == numbers[step * batch_size : (step + 1) * batch_size]
    for part in parts:
        assert all(len(window.positions) == len(window.ids) > 0 for window in part)


def test_a_worker_keeps_the_place_of_each_of_its_records() -> None:
    windows = shuffled(([6, 6], [60, 60]), 60)
    place_of = {
        (window.shards, int(number)): int(position)
        for window in windows
        for position, number in zip(window.positions, window.ids, strict=True)
    }
    for window in order.worker_slice(windows, batch_size=4, workers=2, worker=1):
        for position, number in zip(window.positions, window.ids, strict=True):
            assert place_of[window.shards, int(number)] == position


def test_marks_of_unusable_records_are_told_from_numbers_and_padding() -> None:
    numbers = np.arange(5)
    marks = order.mark(numbers)
    assert marks.tolist() == [-2, -3, -4, -5, -6]
    assert order.mark(marks).tolist() == numbers.tolist()
    ids = np.array([[3, -1, -6], [-2, 0, -6]])
    assert order.bad_examples(ids) == [0, 4]
    assert order.bad_examples(np.zeros(0, np.int64)) == []
