"""One cycle equals straight lines and a cosine that are computed otherwise."""

import math

import numpy as np
import pytest

from catdog.errors import UsageError
from catdog.schedules.one_cycle import OneCycle


def test_two_straight_lines_are_numpys_interpolation() -> None:
    schedule = OneCycle(
        learning_rate=0.8,
        total_steps=200,
        steps_per_epoch=10,
        div=20.0,
        final_div=400.0,
        up=0.45,
        fall="linear",
    )
    found = [schedule.rate(step) for step in range(200)]
    middles = np.arange(200) + 0.5
    np.testing.assert_allclose(found, np.interp(middles, [0, 90, 200], [0.04, 0.8, 0.002]))


def test_hand_computed_values_of_the_cosine() -> None:
    schedule = OneCycle(
        learning_rate=1.0, total_steps=20, steps_per_epoch=4, div=10.0, final_div=100.0, up=0.2
    )
    # Four steps up from 0.1, each at its middle.
    np.testing.assert_allclose(
        [schedule.rate(step) for step in range(4)], [0.2125, 0.4375, 0.6625, 0.8875]
    )
    # Then 16 steps of half a cosine down to 0.01.
    for step in range(4, 20):
        height = (1 + math.cos(math.pi * (step - 3.5) / 16)) / 2
        assert schedule.rate(step) == pytest.approx(0.01 + 0.99 * height, rel=1e-12)


def test_after_the_run_the_rate_is_that_of_its_end() -> None:
    for fall in ("cosine", "linear"):
        schedule = OneCycle(learning_rate=2.0, total_steps=10, steps_per_epoch=5, fall=fall)
        assert schedule.rate(10) == schedule.rate(10**6) == pytest.approx(2.0 / 10_000)


def test_the_default_peak_stands_at_three_tenths_of_the_run() -> None:
    schedule = OneCycle(learning_rate=0.1, total_steps=1000, steps_per_epoch=10)
    rates = [schedule.rate(step) for step in range(1000)]
    top = int(np.argmax(rates))
    assert top in (299, 300)
    assert rates[top] == pytest.approx(0.1, rel=0.01)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[0] == pytest.approx(0.1 / 25, rel=0.05)
    assert rates[-1] == pytest.approx(0.1 / 10_000, rel=0.02)


@pytest.mark.parametrize(
    "options",
    [{"div": 0.5}, {"div": math.inf}, {"final_div": 0.0}, {"up": 0.0}, {"up": 1.0}],
    ids=str,
)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    name, value = next(iter(options.items()))
    with pytest.raises(UsageError, match=f"^{name} must be .* received {value}"):
        OneCycle(learning_rate=1.0, total_steps=1, steps_per_epoch=1, **options)


def test_an_unknown_fall_lists_the_right_ones() -> None:
    with pytest.raises(UsageError, match="one of cosine, linear, received 'square'"):
        OneCycle(learning_rate=1.0, total_steps=1, steps_per_epoch=1, fall="square")
