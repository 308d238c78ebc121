"""Cosine with warm-up equals values computed by hand."""

import math

import pytest

from catdog.errors import UsageError
from catdog.schedules.cosine import Cosine


def test_hand_computed_values() -> None:
    # 20 steps, 4 of them warm-up: step s stands at s + 0.5.
    schedule = Cosine(learning_rate=0.8, total_steps=20, steps_per_epoch=4, warmup_epochs=1.0)
    assert schedule.rate(0) == pytest.approx(0.1)  # 0.8 · 0.5 / 4
    assert schedule.rate(1) == pytest.approx(0.3)
    assert schedule.rate(3) == pytest.approx(0.7)
    # Then 16 steps of cosine: after half a step 0.4 · (1 + cos(π / 32)).
    assert schedule.rate(4) == pytest.approx(0.79807389)
    assert schedule.rate(11) == pytest.approx(0.43920686)  # 0.4 · (1 + cos(7.5 π / 16))
    assert schedule.rate(12) == pytest.approx(0.36079314)  # the same below the middle
    assert schedule.rate(19) == pytest.approx(0.8 - 0.79807389)
    assert schedule.rate(500) == pytest.approx(0.0, abs=1e-12)


def test_the_fall_ends_at_the_final_part_of_the_rate() -> None:
    schedule = Cosine(
        learning_rate=1.0, total_steps=10_000, steps_per_epoch=10, warmup_epochs=0.0, final=0.25
    )
    assert schedule.rate(0) == pytest.approx(1.0, abs=1e-6)
    assert schedule.rate(5_000) == pytest.approx(0.625, abs=1e-3)
    assert schedule.rate(9_999) == pytest.approx(0.25, abs=1e-6)


def test_rates_rise_through_the_warm_up_and_fall_after_it() -> None:
    schedule = Cosine(learning_rate=0.1, total_steps=300, steps_per_epoch=10, warmup_epochs=2.5)
    rates = [schedule.rate(step) for step in range(300)]
    top = rates.index(max(rates))
    assert top in (24, 25)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_a_warm_up_longer_than_a_fifth_of_the_run_is_cut_to_that() -> None:
    schedule = Cosine(learning_rate=1.0, total_steps=10, steps_per_epoch=10, warmup_epochs=9.0)
    assert schedule.rate(0) == pytest.approx(0.25)
    assert schedule.rate(1) == pytest.approx(0.75)
    assert schedule.rate(2) == pytest.approx(0.5 * (1 + math.cos(math.pi / 16)))


@pytest.mark.parametrize(
    "options", [{"warmup_epochs": -1.0}, {"final": -0.1}, {"final": 1.1}], ids=str
)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        Cosine(learning_rate=1.0, total_steps=1, steps_per_epoch=1, **options)
