"""Where a run starts: at its last sound checkpoint, at another run's weights, or from nothing."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catdog import cli, model_options, warm_start
from catdog.config import TrainConfig
from catdog.errors import IntegrityError, MismatchError
from catdog.training import checkpoints, progress
from catdog.training.progress import Extent, Progress

# What a resumed run may change: where it computes and how fast, never what.
_FREE_TO_CHANGE = frozenset(
    {"data_dir", "model_dir", "devices", "xla", "reader_threads", "steps_per_call"}
    | {"eval_batch_size", "final_views", "resume", "precision", "init_from", "profile_steps"}
    | {"save_every_minutes", "save_every_steps", "grace_seconds", "max_bad_records"}
    | {"stall_steps"}
)
# Of flags that a saved run may not know, where the default has changed since.
_FORMER_DEFAULTS = {"clip_norm": 0.0}
# Beside the config; the precision that "auto" led to is compared, not the word.
_COMPARED = ("data_fingerprint", "order_version", "precision")
# Checkpoints of version 1 do not say it.
_COMPARED_WHERE_SAID = ("decoder",)


@dataclasses.dataclass(frozen=True)
class Start:
    """Where a run starts.

    Attributes:
      progress: how far it is.
      losses: float16 [N] of the running epoch; None where the run begins.
    """

    progress: Progress
    losses: NDArray[np.float16] | None = None


def start(
    model_dir: Path,
    about: dict[str, Any],
    variables: dict[str, Any],
    extent: Extent,
) -> Start:
    """The state of the last sound checkpoint, with `variables` filled from it.

    Without one, the weights come from the checkpoint that the config's `init_from` names, if any.
    A best checkpoint that the state does not know yet is removed: its epoch will come again.

    Args:
      model_dir: the run's folder.
      about: what this run's checkpoints will carry.
      variables: {name: tf.Variable} of weights and slots.
      extent: of the run.

    Raises:
      MismatchError: the checkpoint belongs to other data or settings, or `init_from` to another
        model.
      IntegrityError: there are checkpoints, and all of them are damaged.
    """
    folder = model_dir / "checkpoints"
    found = checkpoints.of_kind(folder, "last")
    for path in reversed(found):
        try:
            started = _restored(path, about, variables, extent)
        except IntegrityError as error:
            cli.say(f"warning: {error}")
            continue
        checkpoints.remove_newer(folder, "best", started.progress.best_epoch)
        # Newer ones are damaged; they would be taken for the newest again.
        checkpoints.remove_newer(folder, "last", checkpoints.number_of(path))
        return started
    if found:
        raise IntegrityError(
            f"all checkpoints in {model_dir} are damaged; train again into a new --model_dir"
        )
    if about["config"]["init_from"]:
        source = warm_start.checkpoint_of(about["config"]["init_from"])
        warm_start.fill(source, variables, about)
    return Start(Progress())


def _restored(
    path: Path, about: dict[str, Any], variables: dict[str, Any], extent: Extent
) -> Start:
    saved = checkpoints.read_about(path)
    _check_resumable(saved, about, path)
    checkpoints.restore(path, variables)
    started = Start(
        progress.from_saved(saved["progress"], extent), checkpoints.read_array(path, "losses")
    )
    _tell_of_changes(saved.get("machine", {}), about.get("machine", {}))
    state = started.progress
    cli.say(f"resuming after epoch {state.epoch}, step {state.step}, from {path}")
    return started


def _tell_of_changes(saved: dict[str, Any], now: dict[str, Any]) -> None:
    for name, value in now.items():
        if name in saved and saved[name] != value:
            cli.say(
                f"note: this run was saved with {name}={saved[name]}, now it is {value}: it goes "
                "on, its numbers may differ in their last bits from those of an undisturbed run"
            )


def _check_resumable(saved: dict[str, Any], about: dict[str, Any], path: Path) -> None:
    said = [name for name in _COMPARED_WHERE_SAID if name in saved]
    for name in (*_COMPARED, *said):
        _check_equal(name, saved.get(name), about[name], path)
    # A flag that the saved run did not know yet had its default.
    defaults = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
    then = defaults | _FORMER_DEFAULTS | saved["config"]
    old = json.loads(json.dumps(then, default=str))
    new = json.loads(json.dumps(about["config"]))
    for name in sorted(set(new) - _FREE_TO_CHANGE - {"model_option"}):
        _check_equal(name, old[name], new[name], path)
    # What they lead to and not their words: a default may have changed, and "1" is "1.0".
    options = model_options.described(saved["model"])
    for name, value in model_options.described(about["model"]).items():
        _check_equal(f"--model_option={name}", options.get(name), value, path)


def _check_equal(name: str, old: Any, new: Any, path: Path) -> None:
    if old != new:
        raise MismatchError(
            f"{path} was trained with {name}={old!r}, this run has {new!r}; use the same data and "
            f"flags ({path.parent.parent / 'flags.txt'}) or a new --model_dir, with --init_from="
            f"{path.parent.parent} to start from its weights"
        )
