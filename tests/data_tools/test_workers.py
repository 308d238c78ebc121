"""A task that ends its worker, or takes too much, costs itself alone; the order stays."""

import contextlib
import importlib
import platform
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from catdog.errors import InputError, ResourceError
from data_tools import _workers
from data_tools._limits import Limits
from data_tools._workers import Workers, workers
from data_tools.sources import Source, open_source

Act = Callable[[Source, str], str]

LIMITS = Limits(more_bytes=64 * 2**20, cpu_seconds=1.0)
IMPATIENT = Limits(wall_seconds=1.5)


def lost(task: str, reason: str) -> str:
    return f"lost {task}: {reason}"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("cat.0.jpg", "dog.0.jpg"):
        (folder / name).write_bytes(b"")
    return open_source(str(folder), layout="kaggle")


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Act:
    """`worker_acts.act` under a name by which workers find it, too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    function: Act = importlib.import_module("worker_acts").act
    return function


@pytest.mark.faults
def test_a_task_that_ends_its_worker_is_lost_and_no_other(
    source: Source, act: Act, ending: str, endings: dict[str, str]
) -> None:
    tasks = [ending if number == 13 else str(number) for number in range(40)]
    with workers(source, 2, IMPATIENT if ending == "hang" else LIMITS) as pool:
        batch = 1 if ending == "hang" else 4  # a batch may take that of all its tasks together
        found = list(pool.map(act, tasks, lost=lost, batch=batch))
    assert found.pop(13) == f"lost {ending}: {endings[ending]}"
    assert found == [f"did {number}" for number in range(40) if number != 13]


def test_a_task_without_limits_of_time_takes_what_it_takes(source: Source, act: Act) -> None:
    tight = Limits(more_bytes=64 * 2**20, cpu_seconds=0.1, wall_seconds=0.2)
    with workers(source, 1, tight) as pool:
        assert list(pool.map(act, ["busy", "1"], lost=lost, timed=False)) == ["did busy", "did 1"]
        (found,) = pool.map(act, ["loop"], lost=lost)
        assert found.startswith("lost loop: takes more")


def test_the_last_batches_are_small_so_that_all_workers_end_at_one_time(
    source: Source, act: Act
) -> None:
    each = importlib.import_module("worker_acts").Sizes()
    with workers(source, 2, LIMITS) as pool:
        sizes = list(pool.map(each, range(100), lost=lambda task, _: task, batch=8))
        assert sizes[:64] == [8] * 64
        assert sizes[64:] == sorted(sizes[64:], reverse=True) and sizes[-4:] == [1] * 4
        endless = (number for number in range(20))  # nobody knows of which length
        sizes = list(pool.map(each, endless, lost=lambda task, _: task, batch=8))
        assert sizes == [8] * 16 + [4] * 4


@pytest.mark.parametrize("warm", ["warmed", "never_warm"])
def test_a_worker_gets_warm_before_its_first_task(
    source: Source, act: Act, tmp_path: Path, warm: str
) -> None:
    acts = importlib.import_module("worker_acts")
    with workers(source, 2, LIMITS, getattr(acts, warm)) as pool:
        pool.start()
        pool.tell()
        pool.tell()
        heard = set(pool.map(acts.heard, range(20), lost=lambda task, _: [str(task)]))
    assert heard == {"warm for pictures" if warm == "warmed" else "cold"}


@pytest.mark.faults
def test_any_number_of_workers_and_any_batch_give_the_same(source: Source, act: Act) -> None:
    tasks = [("abort", "exit")[n % 2] if n % 9 == 4 else str(n) for n in range(20)]
    results = []
    for count, batch in ((1, 16), (3, 4), (8, 1)):
        with workers(source, count, LIMITS) as pool:
            results.append(list(pool.map(act, tasks, lost=lost, batch=batch)))
    assert results[0] == results[1] == results[2]
    assert sum(result.startswith("lost") for result in results[0]) == 2


def test_workers_that_were_started_before_the_scan_know_what_it_found(
    act: Act, tmp_path: Path
) -> None:
    folder = tmp_path / "nested"
    folder.mkdir()
    with zipfile.ZipFile(folder / "train.zip", "w") as archive:
        for name in ("cat.0.jpg", "dog.0.jpg"):
            archive.writestr(name, name * 100)
    size = importlib.import_module("worker_acts").size
    nested = open_source(str(folder), layout="kaggle")
    with contextlib.closing(nested), workers(nested, 2) as pool:
        pool.start()
        locators = [item.locator for item in nested.scan().items]
        assert list(pool.map(size, locators, lost=lost)) == [900, 900]


@pytest.mark.faults
def test_a_machine_on_which_every_worker_dies_is_told_from_bad_pictures(
    source: Source, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_workers, "_GUILTY_ON_END", 3)
    with (
        workers(source, 2, LIMITS) as pool,
        pytest.raises(ResourceError, match="4 worker processes died one after the other"),
    ):
        list(pool.map(act, ["exit"] * 20, lost=lost, batch=8))


def test_what_a_task_raises_arrives(source: Source, act: Act) -> None:
    with workers(source, 2) as pool, pytest.raises(InputError, match="this one is raised"):
        list(pool.map(act, ["1", "raise", "2"], lost=lost))
    with workers(source, 1) as pool, pytest.raises(ValueError, match="this one is a bug") as error:
        list(pool.map(act, ["bug"], lost=lost))
    assert "in act" in error.value.__notes__[0]


def test_a_worker_starts_no_threads_of_a_library(source: Source, act: Act) -> None:
    threads = importlib.import_module(act.__module__).threads
    with workers(source, 1) as pool:
        answers_and_listens = 2
        assert list(pool.map(threads, ["1"], lost=lambda *_: 0)) == [answers_and_listens]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is told to")
def test_a_worker_keeps_the_memory_of_one_picture_for_the_next(source: Source, act: Act) -> None:
    Image.linear_gradient("L").resize((1200, 900)).convert("RGB").save(
        Path(source.path, "cat.0.jpg")
    )
    page_faults = importlib.import_module(act.__module__).page_faults
    with workers(source, 1) as pool:
        (pages,) = pool.map(page_faults, ["cat.0.jpg"], lost=lambda *_: 10**6)
    decoded = 1200 * 900 * 4 / 4096
    assert pages < decoded / 10


def test_tasks_are_taken_as_they_are_needed(source: Source, act: Act) -> None:
    taken = 0

    def tasks() -> Iterator[str]:
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield str(number)

    with workers(source, 2) as pool:
        results = pool.map(act, tasks(), lost=lost, batch=10)
        assert next(results) == "did 0"
        assert taken <= 2 * 10 * 8 + 20
    assert list(Workers(source, 2).map(act, [], lost=lost)) == []


def test_workers_that_cannot_start_are_no_pictures_fault(
    source: Source, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        workers(source, 2) as pool,
        pytest.raises(ResourceError, match="no worker process can start"),
    ):
        list(pool.map(act, ["1", "2"], lost=lost))
