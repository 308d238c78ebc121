"""learning_card.md and .png: how fast a run learned, beside the published ones where it can."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catdog import files
from catdog.reports import milestones

MARKDOWN, PICTURE = "learning_card.md", "learning_card.png"

_OURS, _PUBLISHED, _SEARCHED, _TARGET = "#cc6677", "#4477aa", "#999933", "#666666"


def duration(seconds: float) -> str:
    """The time in the two units that tell it: "42 s", "3 min 20 s", "1 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def _score(target: float) -> str:
    return f"{target:.2f}" if round(target, 2) == target else f"{target}"


def lines(history: Sequence[dict[str, Any]], *, compare: bool) -> list[str]:
    """One line for each target that the run passed, and one for the next of them.

    Args:
      history: the records of all epochs.
      compare: name the epoch of the published run as well.
    """
    told: list[str] = []
    for milestone in milestones.milestones(history):
        target = _score(milestone.target)
        epoch = milestones.published_epoch(milestone.target)
        other = f"; the published run in epoch {epoch}" if compare else ""
        if milestone.epoch is None:
            return [*told, f"validation accuracy not above {target} yet{other}"]
        told.append(
            f"validation accuracy above {target} in epoch {milestone.epoch}, after "
            f"{milestone.pictures:,} pictures and {duration(milestone.seconds)}{other}"
        )
    return told


def _table(history: Sequence[dict[str, Any]], *, compare: bool) -> list[str]:
    header = ["validation accuracy above", "epoch", "pictures seen", "time"]
    if compare:
        header += ["published run of 2018: epoch", "pictures seen"]
    rows = [header, ["---"] * len(header)]
    for milestone in milestones.milestones(history):
        row = [_score(milestone.target)]
        if milestone.epoch is None:
            row += ["not reached", "", ""]
        else:
            row += [str(milestone.epoch), f"{milestone.pictures:,}", duration(milestone.seconds)]
        if compare:
            epoch = milestones.published_epoch(milestone.target)
            seen = "" if epoch is None else f"{epoch * milestones.PUBLISHED_EPOCH_PICTURES:,}"
            row += ["not reached" if epoch is None else str(epoch), seen]
        rows.append(row)
    return [f"| {' | '.join(row)} |" for row in rows]


def _best_line(history: Sequence[dict[str, Any]]) -> str:
    validated = [record for record in history if milestones.SCORE in record]
    best = max(validated, key=lambda record: float(record[milestones.SCORE]))
    pictures = sum(record["examples"] for record in history)
    seconds = sum(record["seconds"] + record.get("validation_seconds", 0.0) for record in history)
    epochs = "1 epoch" if len(history) == 1 else f"{len(history)} epochs"
    return (
        f"{epochs}, {pictures:,} pictures, {duration(seconds)}; the highest "
        f"validation accuracy is {best[milestones.SCORE]:.4f}, in epoch {best['epoch']}."
    )


def _plot(axes: Any, history: Sequence[dict[str, Any]]) -> None:
    for year, color, name in (
        (2018, _PUBLISHED, "published, 2018"),
        (2019, _SEARCHED, "published, 2019: rate and decay searched"),
    ):
        scores = milestones.published(year)
        seen = [e * milestones.PUBLISHED_EPOCH_PICTURES for e in range(1, len(scores) + 1)]
        axes.plot(seen, scores, color=color, linewidth=1, label=name)
    seen = list(itertools.accumulate(record["examples"] for record in history))
    ours = [
        (pictures, record[milestones.SCORE])
        for pictures, record in zip(seen, history, strict=True)
        if milestones.SCORE in record
    ]
    axes.plot(*zip(*ours, strict=True), color=_OURS, marker=".", label="this run")
    for target in milestones.TARGETS:
        axes.axhline(target, color=_TARGET, linestyle=":", linewidth=0.8)


def _picture(history: Sequence[dict[str, Any]]) -> bytes:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 9}):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.subplots()
        _plot(axes, history)
        axes.set_xscale("log")
        axes.set_xlabel("training pictures seen (logarithmic)")
        axes.set_ylabel("validation accuracy")
        dotted = ", ".join(map(_score, milestones.TARGETS))
        axes.set_title(f"Learning beside the published runs; dotted: {dotted}")
        axes.grid(alpha=0.25)
        axes.legend(framealpha=1.0, edgecolor="none", loc="upper left")
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=150, metadata={"Software": None})
        return picture.getvalue()


def write_card(model_dir: Path, history: Sequence[dict[str, Any]], *, compare: bool) -> None:
    """Writes learning_card.md into `model_dir`, and learning_card.png where `compare` is true.

    Args:
      model_dir: folder of the run.
      history: the records of all epochs, at least one with a validation accuracy.
      compare: the data set is that of the published runs.
    """
    text = ["# How fast it learned", "", _best_line(history), "", *_table(history, compare=compare)]
    if compare:
        files.write_whole(model_dir / PICTURE, _picture(history))
        text += [
            "",
            f"![Validation accuracy by pictures seen]({PICTURE})",
            "",
            "Published runs: Sualab, dogs vs. cats with AlexNet, 2018 (300 epochs, 0.92768 on its "
            "test pictures) and 2019 (0.93688).",
        ]
    files.write_whole(model_dir / MARKDOWN, "\n".join(text) + "\n")
