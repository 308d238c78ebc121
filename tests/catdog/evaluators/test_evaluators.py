"""Every evaluator keeps the room's contract; a new file is picked up unasked."""

import numpy as np
import pytest

from catdog import registry
from catdog.evaluators._evaluator import RELATIVE_THRESHOLD, Evaluator

ROOM = "catdog.evaluators"


@pytest.fixture(params=registry.names(ROOM))
def evaluator(request: pytest.FixtureRequest) -> Evaluator:
    """One evaluator after the other."""
    return registry.find(ROOM, request.param, Evaluator)()


def test_perfect_predictions_beat_random_and_random_beats_the_worst_score(
    evaluator: Evaluator,
) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 100)
    random = rng.dirichlet([1.0, 1.0], 100).astype(np.float32)
    perfect = np.eye(2, dtype=np.float32)[labels]
    assert evaluator.mode in ("max", "min")
    assert evaluator.is_better(evaluator.score(labels, random), evaluator.worst_score)
    assert evaluator.is_better(evaluator.score(labels, perfect), evaluator.score(labels, random))


def test_the_score_does_not_depend_on_the_order_of_the_examples(evaluator: Evaluator) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 60)
    probabilities = rng.dirichlet([2.0, 1.0], 60).astype(np.float32)
    order = rng.permutation(60)
    score = evaluator.score(labels, probabilities)
    assert evaluator.score(labels[order], probabilities[order]) == pytest.approx(score, abs=1e-12)
    assert isinstance(score, float)


def test_no_examples_have_no_score_and_no_score_is_never_better(evaluator: Evaluator) -> None:
    nothing = evaluator.score(np.zeros(0, np.int64), np.zeros((0, 2), np.float32))
    assert np.isnan(nothing)
    assert not evaluator.is_better(nothing, evaluator.worst_score)


def test_better_means_by_more_than_one_part_in_ten_thousand(evaluator: Evaluator) -> None:
    sign = 1 if evaluator.mode == "max" else -1
    best = 0.5
    assert RELATIVE_THRESHOLD == 1e-4
    assert evaluator.is_better(best * (1 + sign * 1.01e-4), best)
    assert not evaluator.is_better(best * (1 + sign * 0.99e-4), best)
    assert not evaluator.is_better(best, best)
    assert not evaluator.is_better(best * (1 - sign * 0.1), best)
