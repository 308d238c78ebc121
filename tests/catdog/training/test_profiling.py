"""The profiler traces the steps that it was asked for, once, and nothing beyond the epoch."""

from pathlib import Path

import pytest

from catdog.errors import UsageError
from catdog.training import profiling


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What TensorFlow's profiler was asked to do."""
    asked: list[str] = []
    monkeypatch.setattr(profiling.tf.profiler.experimental, "start", asked.append)
    monkeypatch.setattr(profiling.tf.profiler.experimental, "stop", lambda: asked.append("stop"))
    return asked


def _profiler(
    folder: Path, first: int, last: int, *, epoch: int = 100, total: int = 1000
) -> profiling.Profiler:
    return profiling.Profiler(
        folder, first=first, last=last, steps_per_epoch=epoch, total_steps=total
    )


def _tell(profiler: profiling.Profiler, first: int, count: int) -> None:
    profiler.tell_steps([{"step": first + place} for place in range(count)])


def test_it_runs_from_the_first_step_to_the_last(tmp_path: Path, calls: list[str]) -> None:
    profiler = _profiler(tmp_path, 4, 9)
    seen = []
    for first in range(0, 24, 4):
        _tell(profiler, first, 4)
        seen.append(len(calls))
    assert seen == [1, 1, 2, 2, 2, 2], "on before step 4, off once step 8 is done"
    assert calls == [str(tmp_path), "stop"]


@pytest.mark.parametrize(("epoch", "total"), [(4, 1000), (100, 4)])
def test_it_stops_for_good_before_a_validation(
    tmp_path: Path, calls: list[str], epoch: int, total: int
) -> None:
    profiler = _profiler(tmp_path, 2, 100, epoch=epoch, total=total)
    _tell(profiler, 0, 2)
    assert calls == [str(tmp_path)]
    _tell(profiler, 2, 2)
    assert calls == [str(tmp_path), "stop"]
    profiler.tell_epoch([])
    _tell(profiler, 4, 2)
    assert calls == [str(tmp_path), "stop"]


def test_where_it_would_begin_with_a_validation_it_waits(tmp_path: Path, calls: list[str]) -> None:
    profiler = _profiler(tmp_path, 3, 6, epoch=4)
    _tell(profiler, 0, 4)
    profiler.tell_epoch([])
    assert not calls
    _tell(profiler, 4, 2)
    assert calls == [str(tmp_path)]
    _tell(profiler, 6, 2)
    assert calls == [str(tmp_path), "stop"]


def test_steps_inside_of_one_call_are_traced_with_the_next(
    tmp_path: Path, calls: list[str]
) -> None:
    profiler = _profiler(tmp_path, 16, 22)
    _tell(profiler, 7, 8)
    assert not calls
    _tell(profiler, 15, 8)
    assert calls == [str(tmp_path)]
    _tell(profiler, 23, 8)
    _tell(profiler, 31, 8)
    assert calls == [str(tmp_path), "stop"]


def test_a_run_that_goes_on_behind_them_traces_nothing(tmp_path: Path, calls: list[str]) -> None:
    profiler = _profiler(tmp_path, 16, 22)
    _tell(profiler, 22, 8)
    _tell(profiler, 30, 8)
    assert not calls


@pytest.mark.parametrize("text", ["5", "5:", "5:5", "0:3", "9:2", "-1:3", "a:b", "1:2:3"])
def test_what_is_no_range_of_steps_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="FIRST:LAST with 1 <= FIRST < LAST"):
        profiling.parse(text)


def test_a_range_is_read() -> None:
    assert profiling.parse("20:30") == (20, 30)
