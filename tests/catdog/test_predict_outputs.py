"""What `catdog.predict` writes of predictions: CSV, JSON lines, counts. No model is needed here."""

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catdog import files, predict
from catdog.errors import UsageError
from catdog.predict import Prediction
from catdog.reports.gallery import Gallery

CLASSES = ("cat", "dog", "=fox")


def _prediction(name: str, cat: float, dog: float, fox: float) -> Prediction:
    numbers = dict(zip(CLASSES, (cat, dog, fox), strict=True))
    best = max(numbers, key=lambda key: numbers[key])
    return Prediction(name, best, numbers[best], numbers, "")


ROWS = [
    _prediction("cat/1.jpg", 0.2, 0.7, 0.1),
    Prediction("=broken.jpg", None, None, {}, "empty file"),
    _prediction("in/cat.2.jpg", 0.4, 0.2, 0.4),
    _prediction("+.jpg", 0.125, 0.125, 0.75),
]


def _written(ending: str, top_k: int, truths: tuple[str, ...] = CLASSES) -> tuple[str, Any]:
    file = io.BytesIO()
    table = predict._FORMATS[ending](CLASSES, top_k)
    rows = ((row, b"jpeg") for row in ROWS)
    tally = predict._write(file, rows, table, truths, Gallery(0))
    return file.getvalue().decode(), tally


def test_the_csv_has_all_classes_an_error_and_the_truth() -> None:
    text, _ = _written(".csv", 0)
    assert text.splitlines() == [
        "file,class,probability,cat,dog,'=fox,error,truth",
        "cat/1.jpg,dog,0.700000,0.200000,0.700000,0.100000,,cat",
        "'=broken.jpg,,,,,,empty file,",
        "in/cat.2.jpg,cat,0.400000,0.400000,0.200000,0.400000,,cat",
        "'+.jpg,'=fox,0.750000,0.125000,0.125000,0.750000,,",
    ]


def test_with_top_k_it_has_a_pair_of_columns_for_each_place() -> None:
    text, _ = _written(".csv", 2)
    assert text.splitlines() == [
        "file,class_1,probability_1,class_2,probability_2,error,truth",
        "cat/1.jpg,dog,0.700000,cat,0.200000,,cat",
        "'=broken.jpg,,,,,empty file,",
        "in/cat.2.jpg,cat,0.400000,'=fox,0.400000,,cat",
        "'+.jpg,'=fox,0.750000,cat,0.125000,,",
    ]


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_more_places_than_classes_are_all_classes(ending: str) -> None:
    assert _written(ending, 9) == _written(ending, 3)
    if ending == ".csv":
        (row, *_) = csv.DictReader(io.StringIO(_written(ending, 9)[0]))
        assert len(row) == 3 + 2 * len(CLASSES)


@pytest.mark.parametrize("top_k", [0, 1])
def test_json_lines_rank_the_classes_and_have_the_same_keys_always(top_k: int) -> None:
    found = [json.loads(line) for line in _written(".jsonl", top_k)[0].splitlines()]
    keys = ["file", "class", "probability", "classes", "error", "truth"]
    assert [list(row) for row in found] == [keys] * 4
    assert (
        found[0]["classes"]
        == [
            {"class": "dog", "probability": 0.7},
            {"class": "cat", "probability": 0.2},
            {"class": "=fox", "probability": 0.1},
        ][: top_k or None]
    )
    assert [row["class"] for row in found] == ["dog", None, "cat", "=fox"]
    assert [row["truth"] for row in found] == ["cat", None, "cat", None]
    assert (found[1]["classes"], found[1]["error"]) == ([], "empty file")
    assert found[0]["error"] is None


def test_known_classes_are_counted_and_broken_pictures_are_not() -> None:
    _, tally = _written(".csv", 0)
    assert (tally.known, tally.correct, tally.rejected) == (2, 1, 1)
    assert tally.classes == {"dog": 1, "cat": 1, "=fox": 1}


def test_without_truths_the_table_keeps_its_shape_and_nothing_is_known() -> None:
    known, unknown = (_written(".csv", 0, truths) for truths in (CLASSES, ()))
    assert unknown[0].splitlines()[0] == known[0].splitlines()[0]
    assert all(line.endswith(",") for line in unknown[0].splitlines()[1:])
    assert (unknown[1].known, unknown[1].correct) == (0, 0)


def test_memory_does_not_grow_with_the_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def peak(count: int) -> int:
        def rows() -> Iterator[tuple[Prediction, bytes]]:
            for number in range(count):
                yield _prediction(f"{number}.jpg", 0.2, number / count, 0.1), bytes(1000)

        table = predict._csv(CLASSES, 0)
        tracemalloc.start()
        with files.whole_file(tmp_path / "out.csv") as file:
            predict._write(file, rows(), table, CLASSES, Gallery(3))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)  # what is loaded once
    small, large = peak(200), peak(4000)
    assert (tmp_path / "out.csv").read_text().count("\n") == 4001
    assert large < small + 50_000, "a row and its picture are kept by nobody"
    assert "3584 pictures done" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.txt", "--output_file must end in .csv or .jsonl, received"),
        ("out", "must end in .csv or .jsonl"),
        ("nowhere/out.csv", "existing folder"),
        ("folder.csv", "must name a file"),
    ],
)
def test_an_output_that_cannot_be_is_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    endings = tuple(predict._FORMATS)
    with pytest.raises(UsageError, match=words):
        predict._file_to_write(str(tmp_path / name), "output_file", endings)
    file = tmp_path / "OUT.JSONL"
    assert predict._file_to_write(str(file), "output_file", endings) == file
