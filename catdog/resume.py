"""Where a run starts: at its last sound checkpoint, at another run's weights, or from nothing."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from catdog import cli, warm_start
from catdog.config import TrainConfig
from catdog.errors import IntegrityError, MismatchError
from catdog.training import checkpoints
from catdog.training.loop import Progress

# What a resumed run may change: where it computes and how fast, never what.
_FREE_TO_CHANGE = frozenset(
    {"data_dir", "model_dir", "devices", "xla", "reader_threads", "steps_per_call"}
    | {"eval_batch_size", "final_views", "resume", "precision", "init_from", "profile_steps"}
)
# Beside the config; the precision that "auto" led to is compared, not the word.
_COMPARED = ("data_fingerprint", "order_version", "precision")


def start(model_dir: Path, about: dict[str, Any], variables: dict[str, Any]) -> Progress:
    """The progress of the last sound checkpoint, with `variables` filled from it.

    Without one, the weights come from the checkpoint that the config's `init_from` names, if any.

    Args:
      model_dir: the run's folder.
      about: what this run's checkpoints will carry.
      variables: {name: tf.Variable} of weights and slots.

    Raises:
      MismatchError: the checkpoint belongs to other data or settings, or `init_from` to another
        model.
      IntegrityError: there are checkpoints, and all of them are damaged.
    """
    found = checkpoints.of_kind(model_dir / "checkpoints", "last")
    for path in reversed(found):
        try:
            saved = checkpoints.read_about(path)
            _check_resumable(saved, about, path)
            checkpoints.restore(path, variables)
        except IntegrityError as error:
            cli.say(f"warning: {error}")
            continue
        cli.say(f"resuming after epoch {saved['progress']['epoch']} from {path}")
        return Progress(**saved["progress"])
    if found:
        raise IntegrityError(
            f"all checkpoints in {model_dir} are damaged; train again into a new --model_dir"
        )
    if about["config"]["init_from"]:
        source = warm_start.checkpoint_of(about["config"]["init_from"])
        warm_start.fill(source, variables, about)
    return Progress(epoch=0, best_score=None, best_epoch=0, schedule={}, history=[])


def _check_resumable(saved: dict[str, Any], about: dict[str, Any], path: Path) -> None:
    for name in _COMPARED:
        _check_equal(name, saved.get(name), about[name], path)
    # A flag that the saved run did not know yet had its default.
    defaults = {
        field.name: field.default
        for field in dataclasses.fields(TrainConfig)
        if field.name not in saved["config"]
    }
    old = json.loads(json.dumps(defaults | saved["config"], default=str))
    new = json.loads(json.dumps(about["config"]))
    for name in sorted(set(new) - _FREE_TO_CHANGE):
        _check_equal(name, old[name], new[name], path)


def _check_equal(name: str, old: Any, new: Any, path: Path) -> None:
    if old != new:
        raise MismatchError(
            f"{path} was trained with {name}={old!r}, this run has {new!r}; use the same data and "
            f"flags ({path.parent.parent / 'flags.txt'}) or a new --model_dir"
        )
