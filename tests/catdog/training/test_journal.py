"""The journal has every step and every epoch once, however often a run was cut off."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from catdog.training.journal import Journal


def _steps(first: int, last: int) -> list[dict[str, Any]]:
    return [{"step": step, "cross_entropy": 0.5 / (step + 1)} for step in range(first, last)]


def _read(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_steps_after_the_checkpoint_are_written_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path, start_step=0)
    journal.write_steps(_steps(0, 4))
    journal.write_steps(_steps(4, 9))
    assert _read(tmp_path) == _steps(0, 9)
    resumed = Journal(tmp_path, start_step=6)
    assert list(resumed.steps()) == _steps(0, 6)
    assert _read(tmp_path) == _steps(0, 6)
    resumed.write_steps(_steps(6, 12))
    assert _read(tmp_path) == _steps(0, 12)


@pytest.mark.parametrize("end", ['{"step": 5, "cross_en', "\0" * 40, "\0" * 40 + "}", "[]\n"])
def test_a_line_that_was_cut_off_or_lost_goes(tmp_path: Path, end: str) -> None:
    Journal(tmp_path, start_step=0).write_steps(_steps(0, 5))
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + end)
    Journal(tmp_path, start_step=5).write_steps(_steps(5, 7))
    assert _read(tmp_path) == _steps(0, 7)


def test_a_new_run_begins_with_an_empty_file(tmp_path: Path) -> None:
    Journal(tmp_path, start_step=0).write_steps(_steps(0, 5))
    Journal(tmp_path, start_step=0)
    assert _read(tmp_path) == []


def test_the_summary_has_a_row_for_each_epoch(tmp_path: Path) -> None:
    journal = Journal(tmp_path, start_step=0)
    history = [
        {"epoch": epoch, "learning_rate": 0.1 / epoch, "is_best": epoch == 1} for epoch in (1, 2, 3)
    ]
    for done in (1, 2, 3):
        journal.write_epochs(history[:done])
    with (tmp_path / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [float(row["learning_rate"]) for row in rows] == [0.1, 0.05, 0.0333333]
    assert [row["is_best"] for row in rows] == ["True", "False", "False"]
