"""A state of version 2, saved in the middle of an epoch, is gone on from for ever."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from catdog import model_options, parts, resume
from catdog.training import checkpoints
from catdog.training.progress import Extent

STATE = Path(__file__).parent / "checkpoint_v2" / "last-000008"


def test_all_that_a_run_needs_is_read(tmp_path: Path) -> None:
    shutil.copytree(STATE, tmp_path / "checkpoints" / STATE.name)
    about = checkpoints.read_about(STATE)
    model = parts.make_model(about["model"], seed=5, dtype="float32")
    assert model_options.described(about["model"])["variant"] == "fixed", "the default of then"
    weights = parts.weights(model)
    velocity = {
        f"velocity/{name.removeprefix('weights/')}": tf.Variable(tf.zeros_like(weight))
        for name, weight in weights.items()
    }
    start = resume.start(tmp_path, about, weights | velocity, Extent(96, 3, 9))
    progress = start.progress
    assert (progress.epoch, progress.step, progress.best_epoch, progress.best_score) == (
        2,
        8,
        1,
        0.5,
    )
    assert [record["epoch"] for record in progress.history] == [1, 2]
    sums = progress.sums
    assert (sums.steps, sums.examples, sums.cross_entropy) == (2, 64.0, "22134029/524288")
    assert start.losses is not None
    assert np.isfinite(start.losses).sum() == 64
    # The losses are rounded to float16, their mean is that of the exact sum but for that.
    assert np.nanmean(start.losses.astype(float)) == pytest.approx(22134029 / 524288 / 64, abs=1e-4)
    total = sum(float(tf.reduce_sum(value**2)) for value in velocity.values())
    assert total > 0
