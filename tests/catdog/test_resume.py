"""A run goes on from its last sound checkpoint, and from no other run's."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from catdog import resume
from catdog.config import TrainConfig
from catdog.errors import IntegrityError, MismatchError
from catdog.training import checkpoints
from catdog.training.progress import Extent, Progress


def _about(**changes: Any) -> dict[str, Any]:
    config = TrainConfig(data_dir="d", model_dir="m")
    return {
        "config": dataclasses.asdict(dataclasses.replace(config, **changes)),
        "data_fingerprint": "f",
        "order_version": 1,
        "precision": "float32",
        "decoder": "a",
        "model": {"name": "alexnet", "options": ["variant=modern"]},
        "class_names": [],
        "preparation": {},
    }


def _start(model_dir: Path, about: dict[str, Any], variables: dict[str, Any]) -> Progress:
    found = resume.start(model_dir, about, variables, Extent(40, 5, 18))
    return found.progress


def _save(model_dir: Path, epoch: int, about: dict[str, Any]) -> Path:
    progress = Progress(epoch, 5 * epoch, 0.5, 1, {}, [{"epoch": epoch}])
    return checkpoints.save(
        model_dir / "checkpoints",
        "last",
        epoch,
        {"weights/w": tf.Variable([float(epoch)])},
        about | {"progress": dataclasses.asdict(progress)},
        keep=2,
    )


def test_a_new_folder_starts_at_the_beginning(tmp_path: Path) -> None:
    assert _start(tmp_path, _about(), {}) == Progress()


def test_the_newest_checkpoint_is_taken(tmp_path: Path) -> None:
    _save(tmp_path, 1, _about())
    _save(tmp_path, 2, _about())
    weight = tf.Variable([0.0])
    progress = _start(tmp_path, _about(), {"weights/w": weight})
    assert (progress.epoch, weight.numpy().tolist()) == (2, [2.0])


@pytest.mark.parametrize("damage", ["about", "index", "data"])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _save(tmp_path, 1, _about())
    newest = _save(tmp_path, 2, _about())
    broken = {
        "about": newest / "about.json",
        "index": newest / "variables.index",
        "data": next(newest.glob("variables.data*")),
    }[damage]
    broken.write_bytes(broken.read_bytes()[:-2])
    weight = tf.Variable([0.0])
    progress = _start(tmp_path, _about(), {"weights/w": weight})
    assert (progress.epoch, weight.numpy().tolist()) == (1, [1.0])
    assert "warning: the checkpoint" in capsys.readouterr().err


def test_only_damaged_checkpoints_are_an_integrity_error(tmp_path: Path) -> None:
    (_save(tmp_path, 1, _about()) / "about.json").write_text("{")
    with pytest.raises(IntegrityError, match="all checkpoints in .* are damaged"):
        _start(tmp_path, _about(), {"weights/w": tf.Variable([0.0])})


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        (_about(learning_rate=0.5), "learning_rate=0.02, this run has 0.5"),
        (_about(epochs=3), "epochs=16, this run has 3"),
        (_about() | {"data_fingerprint": "g"}, "data_fingerprint='f'"),
        (_about() | {"order_version": 2}, "order_version=1"),
        (_about() | {"precision": "bfloat16"}, "precision='float32'"),
        (_about() | {"decoder": "b"}, "decoder='a', this run has 'b'"),
    ],
    ids=["rate", "epochs", "data", "order", "precision", "decoder"],
)
def test_another_run_is_a_mismatch(tmp_path: Path, changed: dict[str, Any], match: str) -> None:
    _save(tmp_path, 1, _about())
    with pytest.raises(MismatchError, match=match):
        _start(tmp_path, changed, {"weights/w": tf.Variable([0.0])})


def test_how_it_runs_may_change_and_a_flag_of_a_later_version_had_its_default(
    tmp_path: Path,
) -> None:
    old = _about()
    del old["config"]["label_smoothing"]
    _save(tmp_path, 1, old)
    weight = {"weights/w": tf.Variable([0.0])}
    new = _about(reader_threads=3, steps_per_call=1, devices=("CPU:0",))
    assert _start(tmp_path, new, weight).epoch == 1
    with pytest.raises(MismatchError, match="label_smoothing"):
        _start(tmp_path, _about(label_smoothing=0.0), weight)


def test_a_flag_whose_default_has_changed_had_the_former_one(tmp_path: Path) -> None:
    old = _about()
    del old["config"]["clip_norm"]
    _save(tmp_path, 1, old)
    weight = {"weights/w": tf.Variable([0.0])}
    with pytest.raises(MismatchError, match=r"clip_norm=0.0, this run has 2.0"):
        _start(tmp_path, _about(), weight)
    assert _start(tmp_path, _about(clip_norm=0.0), weight).epoch == 1


def test_a_model_whose_default_has_changed_is_not_gone_on_with_as_another(tmp_path: Path) -> None:
    named_nothing = {"name": "alexnet", "options": []}
    _save(tmp_path, 1, _about() | {"model": named_nothing})
    weight = {"weights/w": tf.Variable([0.0])}
    with pytest.raises(MismatchError, match="variant='fixed', this run has 'modern'"):
        _start(tmp_path, _about(), weight)
    given = ("variant=fixed", "width=1")
    same = _about(model_option=given) | {"model": {"name": "alexnet", "options": [*given]}}
    assert _start(tmp_path, same, weight).epoch == 1


def test_a_version_that_did_not_name_its_decoder_is_gone_on_from(tmp_path: Path) -> None:
    old = _about()
    del old["decoder"]
    _save(tmp_path, 1, old)
    assert _start(tmp_path, _about(), {"weights/w": tf.Variable([0.0])}).epoch == 1
