"""Charts count every value once, on round edges, and say the numbers that they draw."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from data_tools import _page_charts


def drawn_counts(figure: str) -> list[int]:
    """The counts that the bars' titles say, from left to right."""
    found = re.findall(r"<title>[^<]*: ([\d,]+) pictures?</title>", figure)
    return [int(count.replace(",", "")) for count in found]


def samples() -> dict[str, NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    return {
        "one": np.array([256.0]),
        "equal": np.full(50, 0.3),
        "zero": np.zeros(3),
        "tenths": np.arange(1, 40) / 10,
        "wide": np.append(rng.normal(500, 20, 999), 65_000.0),
        "large": rng.uniform(1e6, 5e6, 100),
        "small": rng.uniform(0.4, 2.3, 100),
    }


@pytest.mark.parametrize("name", samples())
def test_every_value_is_in_one_bar(name: str) -> None:
    values = samples()[name].astype(np.float32).astype(np.float64)
    edges = _page_charts.bin_edges([values])
    assert 2 <= len(edges) <= 27 and np.all(np.diff(edges) > 0)
    assert edges[0] <= values.min() * (1 + 1e-6) and edges[-1] >= values.max() * (1 - 1e-6)
    assert sum(drawn_counts(_page_charts.histogram("t", "kB", values, edges, 0))) == len(values)


def test_a_value_far_away_does_not_flatten_the_rest() -> None:
    values = samples()["wide"]
    edges = _page_charts.bin_edges([values])
    figure = _page_charts.histogram("t", "px", values, edges, 0)
    counts = drawn_counts(figure)
    assert sum(count > 0 for count in counts) > 8
    assert "the last bar is all above" in figure


def test_bars_are_as_long_as_their_counts_say() -> None:
    figure = _page_charts.bars("t", [("cat", 400), ("<b>", 100), ("none", 0)], 0)
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', figure)]
    assert widths[0] == pytest.approx(4 * widths[1], abs=0.02) and widths[2] == 0
    assert "<b>" not in figure and "&lt;b&gt;: 100" in figure


@pytest.mark.parametrize(
    ("span", "steps", "step"), [(10, 5, 2), (100, 4, 25), (0.07, 4, 0.02), (1, 4, 0.25), (0, 4, 1)]
)
def test_steps_are_round(span: float, steps: int, step: float) -> None:
    assert _page_charts.nice_step(span, steps) == pytest.approx(step)


def test_numbers_have_no_more_digits_than_they_need() -> None:
    assert [_page_charts.number(v) for v in (0, 1234.5, 12.0, 0.4512, 99.96)] == [
        *("0", "1,234", "12", "0.451", "100"),
    ]
