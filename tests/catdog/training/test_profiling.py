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


def _tell(profiler: profiling.Profiler, first: int, count: int) -> None:
    profiler.tell_steps([{"step": first + place} for place in range(count)])


def test_it_runs_from_the_first_step_to_the_last(tmp_path: Path, calls: list[str]) -> None:
    profiler = profiling.Profiler(tmp_path, first=4, last=9)
    seen = []
    for first in range(0, 24, 4):
        _tell(profiler, first, 4)
        seen.append(len(calls))
    profiler.tell_epoch([])
    assert seen == [1, 1, 2, 2, 2, 2], "on before step 4, off once step 8 is done"
    assert calls == [str(tmp_path), "stop"]


def test_an_epochs_end_stops_it_for_good(tmp_path: Path, calls: list[str]) -> None:
    profiler = profiling.Profiler(tmp_path, first=2, last=100)
    _tell(profiler, 0, 2)
    _tell(profiler, 2, 2)
    profiler.tell_epoch([])
    _tell(profiler, 4, 2)
    profiler.tell_epoch([])
    assert calls == [str(tmp_path), "stop"]


def test_an_epochs_end_before_any_step_was_traced_only_delays_it(
    tmp_path: Path, calls: list[str]
) -> None:
    profiler = profiling.Profiler(tmp_path, first=2, last=8)
    _tell(profiler, 0, 2)
    profiler.tell_epoch([])
    _tell(profiler, 2, 2)
    _tell(profiler, 4, 4)
    assert calls == [str(tmp_path), "stop", str(tmp_path), "stop"]


@pytest.mark.parametrize("text", ["5", "5:", "5:5", "0:3", "9:2", "-1:3", "a:b", "1:2:3"])
def test_what_is_no_range_of_steps_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="FIRST:LAST with 1 <= FIRST < LAST"):
        profiling.parse(text)


def test_a_range_is_read() -> None:
    assert profiling.parse("20:30") == (20, 30)
