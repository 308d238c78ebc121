"""Every schedule keeps the room's contract; a new file is picked up unasked."""

import json
import math
from collections.abc import Callable

import pytest

from catdog import registry
from catdog.schedules._schedule import Schedule

ROOM = "catdog.schedules"

Make = Callable[..., Schedule]


@pytest.fixture(params=registry.names(ROOM))
def make(request: pytest.FixtureRequest) -> Make:
    """Makes one schedule after the other, with its default options."""
    kind = registry.find(ROOM, request.param, Schedule)

    def make(learning_rate: float = 0.01, epochs: int = 5, steps: int = 4) -> Schedule:
        return kind(learning_rate=learning_rate, total_steps=epochs * steps, steps_per_epoch=steps)

    return make


def test_rates_are_finite_above_zero_and_at_most_the_flags(make: Make) -> None:
    schedule = make()
    for epoch in range(5):
        for step in range(epoch * 4, epoch * 4 + 4):
            rate = schedule.rate(step)
            assert math.isfinite(rate)
            assert 0.0 < rate <= 0.01
        schedule.end_epoch(improved=epoch % 2 == 0)


def test_asking_twice_gives_the_same_rate(make: Make) -> None:
    schedule = make()
    assert [schedule.rate(step) for step in range(20)] == [
        schedule.rate(step) for step in range(20)
    ]


def test_rates_scale_with_the_flag(make: Make) -> None:
    one, two = make(0.01), make(0.02)
    for step in range(20):
        assert two.rate(step) == pytest.approx(2.0 * one.rate(step), rel=1e-12)


def test_state_saved_as_json_goes_on_as_if_nothing_had_happened(make: Make) -> None:
    undisturbed = make()
    for epoch in range(120):
        undisturbed.end_epoch(improved=epoch < 3)
        restored = make()
        restored.restore(json.loads(json.dumps(undisturbed.state())))
        assert restored.state() == undisturbed.state()
        assert restored.rate(epoch) == undisturbed.rate(epoch)


@pytest.mark.parametrize(("epochs", "steps"), [(1, 1), (1, 2), (2, 1)])
def test_the_shortest_runs_have_rates_too(make: Make, epochs: int, steps: int) -> None:
    schedule = make(epochs=epochs, steps=steps)
    assert all(0.0 < schedule.rate(step) <= 0.01 for step in range(epochs * steps))
