"""What a run must not go on from, or into: other settings, numbers gone wrong, empty replicas."""

import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catdog.training import checkpoints

pytestmark = pytest.mark.faults

WRITE_STEPS = "catdog.training.journal:Journal.write_steps"


def _as_of_another_decoder(checkpoint: Path) -> None:
    about = checkpoint / "about.json"
    about.write_text(about.read_text().replace('"decoder": "', '"decoder": "another-'))
    commit = json.loads((checkpoint / "commit.json").read_text())
    content = about.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    commit["about.json"] = {"bytes": len(content), "sha256": digest}
    (checkpoint / "commit.json").write_text(json.dumps(commit))


def test_another_model_or_decoder_is_told_and_the_weights_can_be_taken_on(
    start: Any, tmp_path: Path, is_long: bool
) -> None:
    job = start("run", points=[(WRITE_STEPS, 6, signal.SIGKILL)])
    job.ended(-signal.SIGKILL)
    if is_long:
        last = start("run", "--model=resnet", "--model_option=").ended(5).splitlines()[-1]
        assert "with model='alexnet', this run has 'resnet'" in last
    for path in checkpoints.of_kind(job.model_dir / "checkpoints", "last"):
        _as_of_another_decoder(path)
    last = start("run").ended(5).splitlines()[-1]
    assert "with decoder='another-" in last
    newest = checkpoints.find(job.model_dir, "last")
    flags = (f"--init_from={newest}", "--epochs=1", "--limit_steps=1")
    said = start("warm", *flags).ended(0)
    assert f"starting from the weights of {newest}" in said


def _all_finite(model_dir: Path) -> bool:
    import tensorflow as tf

    for path in (model_dir / "checkpoints").glob("*-*"):
        reader = tf.train.load_checkpoint(str(path / "variables"))
        for name in reader.get_variable_to_shape_map():
            if name.startswith("variables/"):
                assert np.isfinite(reader.get_tensor(name)).all(), f"{path}: {name}"
    return True


@pytest.mark.parametrize("rate", ["1e30", "300"])
def test_numbers_gone_wrong_stop_the_run_and_are_written_down(
    start: Any, rate: str, is_long: bool
) -> None:
    """At the first rate the weights are too large after one step, at the second after some."""
    if rate != "1e30" and not is_long:
        pytest.skip("make faults runs it")
    job = start("run", f"--learning_rate={rate}", "--save_every_steps=1", "--epochs=30")
    assert "lower --learning_rate" in job.ended(6).splitlines()[-1]
    assert _all_finite(job.model_dir)
    found = json.loads((job.model_dir / "not_finite.json").read_text())
    written = (job.model_dir / "metrics.jsonl").read_text().splitlines()
    assert found["step"] >= len(written)
    assert found["learning_rate"] == pytest.approx(float(rate))
    assert 1 <= len(found["pictures"]) <= 4
    for picture in found["pictures"]:
        assert 0 <= picture["id"] < 30
        assert ".tfrecord-" in picture["shard"]


def test_an_empty_part_of_a_batch_on_two_devices_changes_no_score(
    start: Any, undisturbed: Any, outcome_of: Any, is_long: bool
) -> None:
    """The last of 8 training batches has 2 pictures of 4, that of 4 evaluated ones 2 of 4."""
    if not is_long:
        pytest.skip("make faults runs it")
    flags = ["--devices=CPU:0,CPU:1", "--epochs=1", "--eval_batch_size=4"]
    job = start("run", *flags, cpus=2)
    job.ended(0)
    (two,) = outcome_of(job.model_dir).progress["history"]
    one = undisturbed("float32").progress["history"][0]
    assert two["examples"] == one["examples"] == 30
    for name, value in one.items():
        if isinstance(value, float):
            assert two[name] == pytest.approx(value, abs=1e-5), name
