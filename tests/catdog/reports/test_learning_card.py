"""The learning card: the right cells, a picture where it compares, equal bytes each time."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from catdog.reports import learning_card


def _history(*scores: float) -> list[dict[str, Any]]:
    return [
        {"epoch": epoch, "examples": 10_000, "seconds": 3000.0, "validation_seconds": 600.0}
        | {"validation_accuracy": score}
        for epoch, score in enumerate(scores, start=1)
    ]


def _rows(model_dir: Path) -> list[list[str]]:
    text = (model_dir / "learning_card.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows]


def test_the_table_tells_epoch_pictures_and_time(tmp_path: Path) -> None:
    learning_card.write_card(tmp_path, _history(0.6, 0.81, 0.84), compare=False)
    header, _, *rows = _rows(tmp_path)
    assert header == ["validation accuracy above", "epoch", "pictures seen", "time"]
    assert rows[0] == ["0.80", "2", "20,000", "2 h 0 min"]
    assert [row[:2] for row in rows[1:]] == [["0.90", "not reached"], ["0.9277", "not reached"]]
    text = (tmp_path / "learning_card.md").read_text(encoding="utf-8")
    assert "3 epochs, 30,000 pictures, 3 h 0 min" in text and "0.8400, in epoch 3" in text
    assert [path.name for path in tmp_path.iterdir()] == ["learning_card.md"]


def test_compared_it_has_the_published_epochs_and_a_picture_of_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        learning_card.write_card(tmp_path / name, _history(0.95), compare=True)
    header, _, *rows = _rows(tmp_path / "a")
    assert header[4:] == ["published run of 2018: epoch", "pictures seen"]
    assert rows[1] == ["0.90", "1", "10,000", "1 h 0 min", "86", f"{86 * 9984:,}"]
    picture = tmp_path / "a" / "learning_card.png"
    assert picture.read_bytes() == (tmp_path / "b" / "learning_card.png").read_bytes()
    with Image.open(picture) as image:
        image.load()
        assert image.size == (1200, 750)
        assert len(image.convert("RGB").getcolors(maxcolors=1 << 20)) > 10, "something is drawn"
    assert "(learning_card.png)" in (tmp_path / "a" / "learning_card.md").read_text("utf-8")


def test_a_run_tells_what_it_passed_and_what_comes_next() -> None:
    history = _history(0.81, 0.89)
    assert learning_card.lines(history, compare=False) == [
        "validation accuracy above 0.80 in epoch 1, after 10,000 pictures and 1 h 0 min",
        "validation accuracy not above 0.90 yet",
    ]
    first, second = learning_card.lines(history, compare=True)
    assert first.endswith("; the published run in epoch 57")
    assert second == "validation accuracy not above 0.90 yet; the published run in epoch 86"
    assert len(learning_card.lines(_history(0.99), compare=True)) == 3


def test_epochs_without_a_validation_count_as_seen(tmp_path: Path) -> None:
    history = _history(0.1, 0.95, 0.1)
    for record in (history[0], history[2]):
        del record["validation_accuracy"]
    learning_card.write_card(tmp_path, history, compare=True)
    rows = _rows(tmp_path)
    assert rows[2][:4] == ["0.80", "2", "20,000", "2 h 0 min"]
    text = (tmp_path / "learning_card.md").read_text(encoding="utf-8")
    assert "3 epochs, 30,000 pictures" in text and "0.9500, in epoch 2" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 0 min"),
        (9 * 3600 + 59 * 60 + 40, "10 h 0 min"),
    ],
)
def test_times_are_told_in_two_units(seconds: float, words: str) -> None:
    assert learning_card.duration(seconds) == words
