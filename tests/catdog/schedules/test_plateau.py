"""Plateau equals the original's rule, written down a second time, through saves and restores."""

import json
import random

import pytest

from catdog.errors import UsageError
from catdog.evaluators.accuracy import Accuracy
from catdog.schedules.plateau import Plateau


def original_rates(scores: list[float], rate: float, patience: int) -> list[float]:
    """The rate after each epoch by the rule of the original, transcribed."""
    best, bad = 0.0, 0
    rates = []
    for current in scores:
        if current > best * (1 + 1e-4):
            best, bad = current, 0
        else:
            bad += 1
        if bad > patience:
            new = rate * 0.1
            if rate - new > 1e-8:
                rate = new
            bad = 0
        rates.append(rate)
    return rates


def random_scores(rng: random.Random) -> list[float]:
    """Scores that rise, stand still, fall, and creep by about the threshold."""
    score = rng.uniform(0.0, 0.6)
    scores = []
    for _ in range(rng.randrange(1, 120)):
        kind = rng.random()
        if kind < 0.3:
            score *= 1 + rng.uniform(0.0, 2e-4)
        elif kind < 0.5:
            score = min(1.0, score * rng.uniform(1.0, 1.05))
        elif kind < 0.8:
            score *= rng.uniform(0.9, 1.0)
        scores.append(score)
    return scores


def plateau(rate: float, patience: int) -> Plateau:
    """The schedule under test."""
    return Plateau(learning_rate=rate, total_steps=1, steps_per_epoch=1, patience=patience)


@pytest.mark.parametrize("patience", [0, 1, 3, 10])
def test_equals_the_original_on_random_sequences_with_a_restart_in_the_middle(
    patience: int,
) -> None:
    rng = random.Random(patience)
    evaluator = Accuracy()
    for _ in range(250):
        rate = 10 ** rng.uniform(-7, 0)
        scores = random_scores(rng)
        restarts = {rng.randrange(len(scores)) for _ in range(2)}
        schedule = plateau(rate, patience)
        best = evaluator.worst_score
        found = []
        for epoch, score in enumerate(scores):
            if epoch in restarts:
                saved = json.loads(json.dumps(schedule.state()))
                schedule = plateau(rate, patience)
                schedule.restore(saved)
            improved = evaluator.is_better(score, best)
            best = score if improved else best
            schedule.end_epoch(improved=improved)
            found.append(schedule.rate(epoch))
        assert found == original_rates(scores, rate, patience)


def test_patience_30_lowers_the_rate_after_the_31st_bad_epoch() -> None:
    schedule = plateau(0.01, 30)
    rates = []
    for _ in range(62):
        schedule.end_epoch(improved=False)
        rates.append(schedule.rate(0))
    assert rates == [0.01] * 30 + [0.001] * 31 + [pytest.approx(1e-4)]


def test_a_fall_of_1e_8_or_less_is_not_made() -> None:
    schedule = plateau(1.1e-8, 0)
    schedule.end_epoch(improved=False)
    assert schedule.rate(0) == 1.1e-8


@pytest.mark.parametrize("options", [{"patience": -1}, {"factor": 0.0}, {"factor": 1.0}], ids=str)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        Plateau(learning_rate=1.0, total_steps=1, steps_per_epoch=1, **options)  # type: ignore[arg-type]
