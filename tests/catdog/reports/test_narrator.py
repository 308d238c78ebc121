"""What a run says on the terminal."""

import pytest

from catdog import cli
from catdog.reports.narrator import Narrator, epoch_line

RECORD = {
    "epoch": 2,
    "train_cross_entropy": 0.61234,
    "l2": 0.25,
    "train_accuracy": 0.7,
    "validation_accuracy": 0.75,
    "validation_log_loss": 0.5,
    "validation_seconds": 3.2,
    "is_best": True,
    "learning_rate": 0.0075,
    "pictures_per_second": 181.4,
    "data_wait_percent": 2.5,
}


def test_an_epoch_is_one_line_with_losses_scores_and_speed() -> None:
    assert epoch_line(RECORD, 16) == (
        "epoch 2/16  loss 0.6123 + L2 0.2500  accuracy 0.7000  validation accuracy 0.7500"
        "  validation log loss 0.5000 *  rate 0.0075  181.4 pictures/s  waited for data 2.5 %"
    )
    assert epoch_line(RECORD | {"data_wait_percent": None}, 16).endswith("181.4 pictures/s")
    assert " *" not in epoch_line(RECORD | {"is_best": False}, 16)


def test_steps_are_told_now_and_then_and_counted_anew_in_each_epoch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(cli.time, "monotonic", lambda: now[0])
    narrator = Narrator(epochs=16, steps_per_epoch=40)
    for epoch in (1, 2):
        first = 40 * (epoch - 1)
        for start in range(first, first + 40, 10):
            now[0] += 6.0
            steps = range(start, start + 10)
            narrator.tell_steps([{"step": n, "epoch": epoch, "cross_entropy": 0.5} for n in steps])
        narrator.tell_epoch([RECORD])
    lines = capsys.readouterr().err.splitlines()
    # A line is due 10 seconds after the last one, and the last step has the epoch's own line.
    assert [line.partition(" (")[0] for line in lines] == [
        "epoch 1/16, steps: 30 of 40",
        epoch_line(RECORD, 16),
        "epoch 2/16, steps: 30 of 40",
        epoch_line(RECORD, 16),
    ]


def test_an_epoch_that_is_resumed_is_counted_from_where_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(cli.time, "monotonic", lambda: now[0])
    narrator = Narrator(epochs=16, steps_per_epoch=40)
    for step in (55, 56, 57):
        now[0] += 6.0
        narrator.tell_steps([{"step": step, "epoch": 2, "cross_entropy": 0.5}])
    # The first step began the count; the two after it took 12 seconds.
    assert capsys.readouterr().err == "epoch 2/16, steps: 18 of 40 (4.0 s each) loss 0.5000\n"
