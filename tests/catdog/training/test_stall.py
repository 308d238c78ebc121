"""The watch knows a stalled run from a learning one and a diverged one, resumed or not."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from catdog.errors import IntegrityError
from catdog.training import stall
from catdog.training.chance import Chance, chance_level

EVERY = 10
EVEN = chance_level([50, 50], label_smoothing=0.1)


Records = list[dict[str, Any]]


def _records(
    losses: Sequence[float], *, first: int = 0, rates: Sequence[float] = (), examples: int = 64
) -> Records:
    used = rates or [0.01] * len(losses)
    return [
        {"step": first + place, "cross_entropy": loss, "examples": examples, "learning_rate": rate}
        for place, (loss, rate) in enumerate(zip(losses, used, strict=True))
    ]


class _Heard:
    """A watch, and what it says."""

    def __init__(
        self,
        chance: Chance = EVEN,
        every_steps: int = EVERY,
        diagnose: Callable[[], str] = lambda: "conv3 is dead",
    ) -> None:
        self.lines: list[str] = []
        self.diagnoses = 0

        def counted() -> str:
            self.diagnoses += 1
            return diagnose()

        self.watch = stall.StallWatch(
            chance, every_steps=every_steps, diagnose=counted, say=self.lines.append
        )

    def tell(self, records: Records, group: int = 8) -> list[str]:
        """What it says to these records, told in groups."""
        before = len(self.lines)
        for start in range(0, len(records), group):
            self.watch.tell_steps(records[start : start + group])
        self.watch.tell_epoch([])
        return self.lines[before:]


def _at_chance(steps: int, seed: int = 0) -> list[float]:
    noise = np.random.default_rng(seed).normal(scale=0.002, size=steps)
    return (EVEN.loss + noise).tolist()


def test_a_run_that_learns_hears_nothing() -> None:
    heard = _Heard()
    heard.tell(_records(np.linspace(0.69, 0.3, 200).tolist()))
    assert (heard.lines, heard.diagnoses) == ([], 0)


def test_a_run_at_chance_is_told_so_with_numbers_and_diagnosis() -> None:
    heard = _Heard()
    assert heard.tell(_records([0.7, 0.69] * 5)) == [
        "warning: for 10 steps no better than a constant prediction: cross-entropy 0.6940 in the "
        "steps 5 to 9, chance is 0.6931; conv3 is dead"
    ]


def test_it_repeats_itself_ever_more_rarely() -> None:
    heard = _Heard()
    said = [len(heard.tell(_records(_at_chance(EVERY), first=i * EVERY))) for i in range(17)]
    assert [place + 1 for place, lines in enumerate(said) if lines] == [1, 2, 4, 8, 16]
    assert heard.diagnoses == 5


def test_leaving_chance_is_told_once_and_coming_back_is_told_again() -> None:
    heard = _Heard()
    assert len(heard.tell(_records(_at_chance(30)))) == 2
    assert heard.tell(_records([0.5] * 30, first=30)) == [
        "better than a constant prediction now: cross-entropy 0.5000 in the steps 35 to 39, "
        "chance is 0.6931"
    ]
    [line] = heard.tell(_records(_at_chance(10), first=60))
    assert line.startswith("warning: for 10 steps no better")


def test_leaving_chance_late_in_a_window_counts() -> None:
    heard = _Heard()
    losses = [*_at_chance(5), *[0.675] * 5]
    assert np.mean(losses) > EVEN.loss - 0.02 * (EVEN.loss - EVEN.least), "the mean would not do"
    assert heard.tell(_records(losses)) == []


def test_a_run_on_the_edge_does_not_chatter() -> None:
    heard = _Heard()
    edge = EVEN.loss - 0.02 * (EVEN.loss - EVEN.least)
    for window in range(16):
        off = 0.001 if window % 2 == 0 else -0.001
        heard.tell(_records([edge + off] * EVERY, first=window * EVERY))
    assert all("no better" in line for line in heard.lines)
    assert len(heard.lines) == 5


def test_a_diverged_run_is_told_something_else() -> None:
    heard = _Heard()
    [line] = heard.tell(_records([5.0] * 10))
    assert line.startswith("warning: far worse than a constant prediction: cross-entropy 5.0000")
    assert "--learning_rate" in line
    assert heard.diagnoses == 0
    [line] = heard.tell(_records(_at_chance(10), first=10))
    assert "no better than a constant prediction" in line


@pytest.mark.parametrize("place", [2, 12])
def test_one_exploded_batch_decides_nothing(place: int) -> None:
    sound, stalled = [0.4] * 20, _at_chance(20)
    sound[place], stalled[place] = 1e4, 1e4
    assert _Heard(every_steps=20).tell(_records(sound)) == []
    [line] = _Heard(every_steps=20).tell(_records(stalled))
    assert "no better" in line
    assert float(line.split("cross-entropy ")[1].split()[0]) < 2 * EVEN.worst


def test_a_rising_learning_rate_excuses_one_window() -> None:
    heard = _Heard()
    rates = [0.001 * step for step in range(30)]
    records = _records(_at_chance(30), rates=rates)
    assert heard.tell(records[:10]) == []
    [line] = heard.tell(records[10:20])
    assert "(the learning rate still rises)" in line
    assert len(heard.tell(records[20:30])) == 1


def test_a_warm_up_that_is_over_excuses_nothing() -> None:
    rates = [0.001, 0.002, 0.003, *[0.004] * 7]
    assert len(_Heard().tell(_records(_at_chance(10), rates=rates))) == 1


def _story() -> Records:
    """At chance while the rate rises and after, learning, fallen back, diverged."""
    rates = [*np.linspace(0, 0.01, 15).tolist(), *[0.01] * 185]
    losses = [*_at_chance(75), *[0.5] * 35, *_at_chance(50, seed=1), *[9.0] * 40]
    return _records(losses, rates=rates)


@pytest.mark.parametrize("group", [1, 7, 200])
def test_what_it_says_does_not_depend_on_how_steps_are_grouped(group: int) -> None:
    one, other = _Heard(), _Heard()
    assert one.tell(_story()) == other.tell(_story(), group)
    assert len(one.lines) == 10


@pytest.mark.parametrize("cut", [3, 10, 15, 37, 80, 115, 170, 199])
def test_a_resumed_run_that_recalls_goes_on_as_the_undisturbed_one(cut: int) -> None:
    undisturbed, first, resumed = _Heard(), _Heard(), _Heard()
    whole = undisturbed.tell(_story())
    resumed.watch.recall(_story()[:cut])
    assert (resumed.lines, resumed.diagnoses) == ([], 0)
    assert first.tell(_story()[:cut]) + resumed.tell(_story()[cut:]) == whole


def test_a_resumed_run_that_does_not_recall_begins_with_the_next_whole_window() -> None:
    heard = _Heard()
    assert heard.tell(_records(_at_chance(13), first=4)) == []
    [line] = heard.tell(_records(_at_chance(3), first=17))
    assert "steps 15 to 19" in line


def test_steps_that_do_not_follow_one_another_make_no_window() -> None:
    heard = _Heard()
    heard.tell(_records(_at_chance(6)))
    assert heard.tell(_records(_at_chance(4), first=16)) == []
    assert len(heard.tell(_records(_at_chance(10), first=20))) == 1


@pytest.mark.parametrize(
    ("chance", "every_steps"),
    [
        (EVEN, 0),
        (chance_level([50, 0], label_smoothing=0.1), EVERY),
        (chance_level([50, 0], label_smoothing=0.0), EVERY),
        (chance_level([50, 50], label_smoothing=1.0), EVERY),
    ],
)
def test_it_is_silent_where_it_is_off_or_chance_cannot_be_beaten(
    chance: Chance, every_steps: int
) -> None:
    heard = _Heard(chance, every_steps)
    heard.tell(_records([chance.loss] * 100))
    heard.tell(_records([chance.loss + 9.0] * 100, first=100))
    assert (heard.lines, heard.diagnoses) == ([], 0)


def _drawn(steps: int, rare: float, common: float) -> Records:
    """Batches of 8 with one rare example in ten, by its loss and that of the others."""
    rare_ones = np.random.default_rng(3).binomial(8, 0.1, steps)
    losses = (rare_ones * rare + (8 - rare_ones) * common) / 8
    return _records(losses.tolist(), examples=8)


def test_small_batches_of_unequal_classes_are_not_taken_for_learning() -> None:
    chance = chance_level([90, 10], label_smoothing=0.0)
    heard = _Heard(chance, 20)
    heard.tell(_drawn(2000, rare=-math.log(0.1), common=-math.log(0.9)))
    assert heard.lines
    assert all("no better" in line for line in heard.lines)
    learned = _Heard(chance, 20)
    learned.tell(_drawn(2000, rare=-math.log(0.6), common=-math.log(0.97)))
    assert learned.lines == []


def test_few_and_unequal_examples_do_not_hide_that_a_run_learns() -> None:
    chance = chance_level([90, 10], label_smoothing=0.0)
    assert 3 * chance.deviation / math.sqrt(2) > chance.loss, "the error alone would hide it"
    assert _Heard(chance, 2).tell(_records([0.05] * 20, examples=1)) == []


def test_a_diagnosis_that_fails_is_no_end_of_a_run() -> None:
    def fail() -> str:
        raise MemoryError("no more\nof it")

    [line] = _Heard(diagnose=fail).tell(_records(_at_chance(10)))
    assert line.endswith("; the diagnosis failed (MemoryError: no more)")


def test_what_catdog_has_to_explain_itself_is_passed_on() -> None:
    def fail() -> str:
        raise IntegrityError("train-00000 is damaged")

    with pytest.raises(IntegrityError, match="is damaged"):
        _Heard(diagnose=fail).tell(_records(_at_chance(10)))
