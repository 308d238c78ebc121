"""What benchmarks of things that take turns tell of each: medians over the rounds, as a table."""

import statistics
from collections.abc import Sequence
from typing import Any

from catdog import cli


def medians(
    speeds: Sequence[float], cpu_per_1000: Sequence[float], ratios: Sequence[float]
) -> dict[str, float]:
    """Columns of a row, from the pictures a second, CPU seconds and ratios of each round."""
    return {
        "pictures_per_second": round(statistics.median(speeds), 2),
        "slowest": round(min(speeds), 2),
        "fastest": round(max(speeds), 2),
        "cpu_seconds_per_1000": round(statistics.median(cpu_per_1000), 2),
        "ratio": round(statistics.median(ratios), 3),
    }


def say(rows: Sequence[dict[str, Any]]) -> None:
    """Prints rows of the same columns, of which the first is text, for a person."""
    lines = [[name.replace("_", " ") for name in rows[0]]]
    lines += [[str(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *numbers in lines:
        padded = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
        cli.say("  ".join([first.ljust(widths[0]), *padded]))
