"""learning_curve.png and .svg: loss and score of every epoch, best epoch and rate drops marked."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catdog import files

_TRAIN, _VALIDATION, _RATE = "#4477aa", "#cc6677", "#666666"


def rate_drops(history: Sequence[dict[str, Any]]) -> list[int]:
    """The epochs that have a lower rate than the one before, both of them one rate throughout.

    A rate that changes all the time, such as a cosine's, does not drop.
    """
    rates = [
        record["learning_rate"] if record["learning_rate"] == record["last_learning_rate"] else None
        for record in history
    ]
    return [
        history[i]["epoch"]
        for i, (before, after) in enumerate(itertools.pairwise(rates), start=1)
        if before is not None and after is not None and after < before
    ]


def _draw(
    figure: Any, history: Sequence[dict[str, Any]], score_name: str, label_smoothing: float
) -> None:
    top, middle, bottom = figure.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 3, 1.2]}
    )

    def line(axes: Any, key: str, color: str, label: str) -> None:
        told = [record for record in history if key in record]
        if told:
            epochs, values = ([record[name] for record in told] for name in ("epoch", key))
            axes.plot(epochs, values, color=color, label=label, marker=".", markersize=4)

    line(top, "train_accuracy", _TRAIN, "train (augmented, dropout on)")
    line(top, f"validation_{score_name}", _VALIDATION, f"validation {score_name}")
    smoothed = f", labels smoothed by {label_smoothing:g}" if label_smoothing else ""
    line(middle, "train_cross_entropy", _TRAIN, f"train (augmented, dropout on{smoothed})")
    line(middle, "validation_log_loss", _VALIDATION, "validation log loss")
    line(bottom, "learning_rate", _RATE, "learning rate")
    best = [record for record in history if record["is_best"]]
    if best and f"validation_{score_name}" in best[-1]:
        score = best[-1][f"validation_{score_name}"]
        top.axvline(best[-1]["epoch"], color=_VALIDATION, linestyle=":", linewidth=1)
        top.set_title(f"best validation {score_name}: {score:.4f} in epoch {best[-1]['epoch']}")
    for epoch in rate_drops(history):
        for axes in (top, middle, bottom):
            axes.axvline(epoch - 0.5, color=_RATE, linestyle="--", linewidth=0.8)
    top.set_ylabel("score")
    middle.set_ylabel("cross-entropy (nats)")
    bottom.set_ylabel("rate")
    bottom.set_xlabel("epoch")
    bottom.ticklabel_format(axis="y", style="plain")
    for axes in (top, middle):
        axes.legend(framealpha=1.0, edgecolor="none")
    for axes in (top, middle, bottom):
        axes.grid(alpha=0.25)
        axes.locator_params(axis="x", integer=True)


def write_learning_curve(
    model_dir: Path,
    history: Sequence[dict[str, Any]],
    *,
    score_name: str,
    label_smoothing: float = 0.0,
) -> None:
    """Writes learning_curve.png (150 dpi) and learning_curve.svg into `model_dir`.

    Args:
      model_dir: folder of the run.
      history: the records of all epochs.
      score_name: the evaluator, whose validation score is drawn.
      label_smoothing: what the training's cross-entropies were taken with, which the legend says.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "catdog", "font.size": 9}):
        figure = Figure(figsize=(8, 8), layout="constrained")
        _draw(figure, history, score_name, label_smoothing)
        for name in ("png", "svg"):
            picture = io.BytesIO()
            metadata = {"Date": None} if name == "svg" else {"Software": None}
            figure.savefig(picture, format=name, dpi=150, metadata=metadata)
            files.write_whole(model_dir / f"learning_curve.{name}", picture.getvalue())
