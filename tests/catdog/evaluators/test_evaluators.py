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


def test_no_score_is_worse_than_the_worst_and_none_is_beyond_a_perfect_one(
    evaluator: Evaluator, cases
) -> None:
    for case in cases:
        score = evaluator.score(case.labels, case.probabilities)
        assert not evaluator.is_better(evaluator.worst_score, score)
        perfect = np.eye(case.classes, dtype=np.float32)[case.labels]
        assert not evaluator.is_better(score, evaluator.score(case.labels, perfect))


def test_what_it_is_given_stays_as_it_was_and_asking_twice_gives_the_same(
    evaluator: Evaluator, cases
) -> None:
    for case in cases[:20]:
        labels, probabilities = case.labels.copy(), case.probabilities.copy()
        first = evaluator.score(labels, probabilities)
        np.testing.assert_equal(evaluator.score(labels, probabilities), first)
        np.testing.assert_array_equal(labels, case.labels)
        np.testing.assert_array_equal(probabilities, case.probabilities)


def test_three_classes_of_perfect_predictions_beat_a_guess(evaluator: Evaluator) -> None:
    labels = np.arange(30) % 3
    guess = np.random.default_rng(2).dirichlet(np.ones(3), 30).astype(np.float32)
    perfect = np.eye(3, dtype=np.float32)[labels]
    assert evaluator.is_better(evaluator.score(labels, perfect), evaluator.score(labels, guess))


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
