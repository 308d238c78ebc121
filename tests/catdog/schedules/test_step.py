"""The rate falls at the named epochs, and only there."""

import numpy as np
import pytest

from catdog import registry
from catdog.errors import UsageError
from catdog.schedules.step import Step


def test_the_published_drops_of_ninety_epochs() -> None:
    schedule = Step(learning_rate=0.1, total_steps=90 * 7, steps_per_epoch=7, drops="30-60-80")
    expected = np.repeat([1e-1, 1e-2, 1e-3, 1e-4], np.array([30, 30, 20, 10]) * 7)
    np.testing.assert_allclose([schedule.rate(step) for step in range(90 * 7)], expected)


@pytest.mark.parametrize("steps", [90, 9, 630, 100, 7])
def test_without_drops_it_falls_at_the_same_parts_of_any_run(steps: int) -> None:
    schedule = Step(learning_rate=1.0, total_steps=steps, steps_per_epoch=steps)
    found = [schedule.rate(step) for step in range(steps)]
    # In integers: step s is past a third where 9 s >= 3 n.
    expected = [0.1 ** sum(9 * s >= part * steps for part in (3, 6, 8)) for s in range(steps)]
    np.testing.assert_allclose(found, expected)


def test_epochs_may_be_fractions_and_beyond_the_end() -> None:
    schedule = Step(
        learning_rate=1.0, total_steps=12, steps_per_epoch=4, drops="0.5-2.25-99", factor=0.5
    )
    assert [schedule.rate(step) for step in range(12)] == [1.0] * 2 + [0.5] * 7 + [0.25] * 3


def test_a_warm_up_rises_to_the_rate_and_is_cut_to_a_fifth_of_the_run() -> None:
    schedule = Step(
        learning_rate=0.8, total_steps=40, steps_per_epoch=4, drops="5", warmup_epochs=1.0
    )
    # Four steps, each at its middle.
    np.testing.assert_allclose([schedule.rate(s) for s in range(5)], [0.1, 0.3, 0.5, 0.7, 0.8])
    long = Step(learning_rate=1.0, total_steps=10, steps_per_epoch=1, warmup_epochs=9.0)
    np.testing.assert_allclose([long.rate(step) for step in range(3)], [0.25, 0.75, 1.0])


def test_drops_can_be_given_as_an_option_of_the_command_line() -> None:
    given = ("drops=1-2", "factor=0.5", "warmup_epochs=0")
    reserved = {"learning_rate": 1.0, "total_steps": 1, "steps_per_epoch": 1}
    options = registry.options(Step, given, reserved)
    assert options == {"drops": "1-2", "factor": 0.5, "warmup_epochs": 0.0}


@pytest.mark.parametrize(
    "drops", ["30,60", "x", "60-30", "30-30", "0-30", "-5", "5-", "1e-1", "nan", "inf", "3-nan"]
)
def test_drops_that_are_no_rising_epochs_are_refused(drops: str) -> None:
    with pytest.raises(UsageError, match=f"such as 30-60-80, received '{drops}'"):
        Step(learning_rate=1.0, total_steps=1, steps_per_epoch=1, drops=drops)


@pytest.mark.parametrize(
    "options", [{"factor": 0.0}, {"factor": 1.0}, {"warmup_epochs": -1.0}], ids=str
)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        Step(learning_rate=1.0, total_steps=1, steps_per_epoch=1, **options)
