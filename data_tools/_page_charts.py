"""Charts of counts as inline SVG: every bar says its value, axes have round ticks and a name."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from catdog import html

# A panel is about as wide as a phone's screen, so that its text is not scaled down on one.
_WIDTH, _HEIGHT = 304, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 16, 26, 40
_BINS = 24
_ROW, _LABEL, _BAR_VALUE = 22, 96, 56
_LONGEST_LABEL = 14

STYLE = """\
.measures { display: grid; gap: 0 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); }
.panels { display: flex; flex-wrap: wrap; gap: 1rem 2rem; margin: .75rem 0; }
.panel { margin: 0; width: min(100%, 19rem); }
.panel figcaption { font-size: .8125rem; }
@media (max-width: 30rem) { .panel { width: 100%; } }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--quiet); }
svg text.title { fill: var(--ink); font-weight: 600; }
svg text.value { fill: var(--ink); }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .bar:hover { opacity: .7; }
svg .series-0 { fill: var(--series-0); }
svg .series-1 { fill: var(--series-1); }
svg .series-2 { fill: var(--series-2); }
svg .series-3 { fill: var(--series-3); }
"""


def nice_step(span: float, steps: int) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that covers `span` in at most `steps`."""
    if not span > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(span / steps))
    return next(m * power for m in (1, 2, 2.5, 5, 10, 20) if m * power * steps >= span * 0.999999)


def _ticks(low: float, high: float, steps: int) -> list[float]:
    step = nice_step(high - low, steps)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """The value with a comma between thousands and no more decimals than it needs."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def bin_edges(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Round edges of at most 24 equal bins that all values fit into.

    Where a few values are far beyond the others, the last bin takes them: it then ends at the
    largest value, and the bins before it stop at the 99.5th percentile.
    """
    together = np.concatenate(values)
    low, high = float(together.min()), float(together.max())
    most = float(np.quantile(together, 0.995))
    stretched = high - low > 2 * (most - low) > 0
    end = most if stretched else high
    step = nice_step((end - low) or 1.0, _BINS - 2)
    first = math.floor(low / step)
    last = max(math.floor(end / step) + 1, first + 1)
    edges: NDArray[np.float64] = np.arange(first, last + 1, dtype=np.float64) * step
    return np.append(edges, high) if stretched and high > edges[-1] else edges


def _svg(height: float, label: str, *children: str) -> html.Html:
    # The label is what a screen reader says of the picture.
    attributes = {"viewBox": f"0 0 {_WIDTH} {height:g}", "role": "img", "aria-label": label}
    return html.tag("svg", attributes, *children)


def _text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> html.Html:
    attributes = {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "class": kind or None}
    return html.tag("text", attributes, words)


def _bar(x: float, y: float, width: float, height: float, series: int, title: str) -> html.Html:
    attributes = {
        "x": f"{x:.2f}",
        "y": f"{y:.2f}",
        "width": f"{max(width, 0):.2f}",
        "height": f"{max(height, 0):.2f}",
        "class": f"bar series-{series % 4}",
    }
    return html.tag("rect", attributes, html.tag("title", {}, title))


def _line(x1: float, y1: float, x2: float, y2: float) -> html.Html:
    points = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    return html.tag("line", {**points, "class": "grid"})


def _axes(edges: NDArray[np.float64], open_end: bool, top: int, unit: str) -> list[html.Html]:
    """The lines and names of the two axes; `top` is the count at the upper end."""
    drawn = []
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for count in _ticks(0, top, 4):
        if count == int(count):
            y = bottom - (bottom - _TOP) * count / top
            drawn += [_line(_LEFT, y, right, y), _text(_LEFT - 6, y + 4, number(count), "end")]
    plain = edges[:-1] if open_end else edges
    low, width = plain[0], (right - _LEFT) / (len(edges) - 1)
    step = plain[1] - plain[0] if len(plain) > 1 else 1.0
    for value in _ticks(plain[0], plain[-1], 5):
        x = _LEFT + width * (value - low) / step
        drawn.append(_text(x, bottom + 16, number(value), "middle"))
    drawn.append(_text((_LEFT + right) / 2, _HEIGHT - 8, unit, "middle"))
    return drawn


def histogram(
    title: str, unit: str, values: NDArray[np.float64], edges: NDArray[np.float64], series: int
) -> html.Html:
    """A panel: how many of the `values` lie in each bin, with smallest, median and largest below.

    Args:
      title: stands above; a split's name.
      unit: what the values are; the name of the horizontal axis.
      edges: of `bin_edges`; the last bin may be wider than the others.
      series: decides the colour.
    """
    # An edge is a product of floats and may be a hair above the value it was made for.
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    widths = np.diff(edges)
    open_end = len(widths) > 1 and not math.isclose(widths[-1], widths[0], rel_tol=1e-6)
    top = max(int(counts.max()), 1)
    bottom, slot = _HEIGHT - _BOTTOM, (_WIDTH - _RIGHT - _LEFT) / len(counts)
    bars = []
    for place, count in enumerate(counts.tolist()):
        height = (bottom - _TOP) * count / top
        until = f"{number(edges[place])} to {number(edges[place + 1])}"
        words = f"{until} {unit}: {count:,} picture{'' if count == 1 else 's'}"
        x = _LEFT + slot * place
        bars.append(_bar(x + 0.5, bottom - height, slot - 1, height, series, words))
    least, middle, most = (number(v) for v in (values.min(), np.median(values), values.max()))
    summary = f"{least} to {most}, median {middle}"
    if open_end:
        summary += f"; the last bar is all above {number(edges[-2])}"
    axes = _axes(edges, open_end, top, unit)
    heading = _text(_LEFT, 14, f"{title}: {len(values):,} pictures", kind="title")
    label = f"{title}: histogram of {unit}, {summary}"
    return html.tag(
        "figure",
        {"class": "panel"},
        _svg(_HEIGHT, label, heading, *axes, *bars),
        html.tag("figcaption", {"class": "quiet"}, summary),
    )


def _shortened(label: str) -> str:
    shown = html.visible(label)
    return shown if len(shown) <= _LONGEST_LABEL else shown[: _LONGEST_LABEL - 1] + "…"


def bars(title: str, counts: Sequence[tuple[str, int]], series: int) -> html.Html:
    """A panel with a bar for each (name, count), the counts beside the bars."""
    top = max([count for _, count in counts] + [1])
    full = _WIDTH - _LABEL - _BAR_VALUE
    drawn = [_text(0, 14, title, kind="title")]
    for row, (name, count) in enumerate(counts):
        y = _TOP + row * _ROW
        label = html.tag("title", {}, name)
        drawn += [
            html.tag(
                "text",
                {"x": _LABEL - 8, "y": y + 13, "text-anchor": "end"},
                label,
                _shortened(name),
            ),
            _bar(_LABEL, y + 2, full * count / top, _ROW - 6, series, f"{name}: {count:,}"),
            _text(_LABEL + full * count / top + 6, y + 13, f"{count:,}", kind="value"),
        ]
    spoken = f"{title}: " + ", ".join(f"{name} {count}" for name, count in counts)
    svg = _svg(_TOP + _ROW * len(counts), spoken, *drawn)
    return html.tag("figure", {"class": "panel"}, svg)
