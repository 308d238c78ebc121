"""The learning curve: equal bytes for an equal history, and the drops that a reader would mark."""

import copy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from catdog.reports import curves


def _history(epochs: int, *, validated: bool = True) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    history = []
    for epoch in range(1, epochs + 1):
        record = {
            "epoch": epoch,
            "learning_rate": 0.01 * 0.1 ** (epoch // 4),
            "last_learning_rate": 0.01 * 0.1 ** (epoch // 4),
            "train_cross_entropy": 1 / epoch,
            "train_accuracy": float(rng.uniform(0.5, 1.0)),
            "is_best": epoch in (1, 3),
        }
        if validated:
            record |= {"validation_accuracy": 0.5 + epoch / 100, "validation_log_loss": 1 / epoch}
        history.append(record)
    return history


@pytest.mark.parametrize("epochs", [1, 9])
def test_equal_histories_give_equal_bytes_in_png_and_svg(tmp_path: Path, epochs: int) -> None:
    history = _history(epochs)
    untouched = copy.deepcopy(history)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        curves.write_learning_curve(tmp_path / name, history, score_name="accuracy")
    assert history == untouched
    for name in ("learning_curve.png", "learning_curve.svg"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "learning_curve.png",
        "learning_curve.svg",
    ]


@pytest.mark.parametrize(
    ("smoothing", "label"),
    [
        (0.0, "train (augmented, dropout on)"),
        (0.1, "train (augmented, dropout on, labels smoothed by 0.1)"),
    ],
)
def test_the_legend_says_what_the_losses_were_taken_with(smoothing: float, label: str) -> None:
    figure = Figure()
    curves._draw(figure, _history(3), "accuracy", smoothing)
    _, middle, _ = figure.axes
    assert [text.get_text() for text in middle.get_legend().get_texts()] == [
        label,
        "validation log loss",
    ]


def test_the_files_are_a_png_of_1200_pixels_and_an_svg(tmp_path: Path) -> None:
    curves.write_learning_curve(tmp_path, _history(9), score_name="accuracy")
    with Image.open(tmp_path / "learning_curve.png") as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (1200, 1200))
        assert len(image.convert("RGB").getcolors(maxcolors=1 << 20)) > 10, "something is drawn"
    root = ElementTree.parse(tmp_path / "learning_curve.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert b"<dc:date>" not in (tmp_path / "learning_curve.svg").read_bytes()


def test_scores_are_drawn_where_some_epochs_have_none() -> None:
    history = _history(9)
    for record in history[::2]:
        del record["validation_accuracy"], record["validation_log_loss"]
    figure = Figure()
    curves._draw(figure, history, "accuracy", 0.0)
    lines = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}
    assert lines["validation accuracy"].get_xydata().tolist() == [
        [epoch, 0.5 + epoch / 100] for epoch in (2, 4, 6, 8)
    ]
    assert lines["validation log loss"].get_xdata().tolist() == [2, 4, 6, 8]
    assert lines["train (augmented, dropout on)"].get_xdata().tolist() == [*range(1, 10)]


def test_another_epoch_gives_another_picture(tmp_path: Path) -> None:
    curves.write_learning_curve(tmp_path, _history(8), score_name="accuracy")
    before = (tmp_path / "learning_curve.png").read_bytes()
    curves.write_learning_curve(tmp_path, _history(9), score_name="accuracy")
    assert (tmp_path / "learning_curve.png").read_bytes() != before


def test_a_run_without_validation_has_a_curve_too(tmp_path: Path) -> None:
    curves.write_learning_curve(tmp_path, _history(3, validated=False), score_name="accuracy")
    assert (tmp_path / "learning_curve.png").exists()


@pytest.mark.parametrize(
    ("rates", "drops"),
    [
        ([(1, 1), (1, 1), (0.1, 0.1), (0.1, 0.1), (0.01, 0.01)], [3, 5]),
        ([(0.1, 1), (1, 0.8), (0.8, 0.5), (0.5, 0.1)], []),  # a warm-up and a cosine
        ([(1, 1)], []),
    ],
)
def test_drops_are_falls_from_one_steady_rate_to_another(
    rates: list[tuple[float, float]], drops: list[int]
) -> None:
    history = [
        {"epoch": epoch, "learning_rate": first, "last_learning_rate": last}
        for epoch, (first, last) in enumerate(rates, start=1)
    ]
    assert curves.rate_drops(history) == drops
