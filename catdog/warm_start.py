"""Starting from another run's weights, as `--init_from` asks for."""

from pathlib import Path
from typing import Any

from catdog import agreement, cli, model_options, schema
from catdog.errors import IntegrityError, MismatchError, UsageError
from catdog.training import checkpoints


def checkpoint_of(init_from: str) -> Path:
    """The checkpoint that `init_from` names: a run's best one, or a checkpoint's own folder.

    Raises:
      UsageError: there is none.
    """
    folder = Path(init_from)
    if (folder / "checkpoints").is_dir():
        return checkpoints.find(folder, "best")
    if not (folder / "about.json").is_file():
        raise UsageError(
            f"--init_from must be a run's folder or a checkpoint's, received {init_from!r}"
        )
    return folder


def input_statistics(
    model_dir: Path, init_from: str, statistics: schema.Statistics
) -> dict[str, list[float]]:
    """The "mean" and "std" that the model's input is scaled with, three numbers each.

    A model's weights fit one scaling: that of the checkpoint they come from, else that of the
    training split, `statistics`.
    """
    for path in reversed(checkpoints.of_kind(model_dir / "checkpoints", "last")):
        try:
            model = checkpoints.read_about(path)["model"]
        except IntegrityError:
            continue  # resuming passes it over as well, and says so
        return {"mean": model["mean"], "std": model["std"]}
    if init_from:
        model = checkpoints.read_about(checkpoint_of(init_from))["model"]
        return {"mean": model["mean"], "std": model["std"]}
    return {"mean": list(statistics.mean), "std": list(statistics.std)}


def _tell_of_options(checkpoint: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    for name, value in new.items():
        if name in old and old[name] != value:
            cli.say(
                f"note: the weights of {checkpoint} learned with {name}={old[name]}, this run has "
                f"{value}; give --model_option={name}={old[name]} if that is not meant"
            )


def _of_classes(
    weights: dict[str, Any], shapes: dict[str, list[int]], old: dict[str, Any], new: dict[str, Any]
) -> set[str]:
    """The names of the weights whose last dimension is the classes: of the last layer, its alone.

    Other layers may be as wide as there are classes.
    """
    fitting = [
        name
        for name, variable in weights.items()
        if variable.shape[-1:] == (new["num_classes"],)
        and shapes.get(name) == [*variable.shape[:-1], old["num_classes"]]
    ]
    last = fitting[-1].rpartition("/")[0] if fitting else ""
    return {name for name in fitting if name.rpartition("/")[0] == last}


def fill(checkpoint: Path, variables: dict[str, Any], about: dict[str, Any]) -> None:
    """Fills the weights among `variables`, and their averages, from another run's checkpoint.

    Classes are matched by name. The same ones in another order are put in that order; with other
    ones, the weights of the classes keep their initial values.

    Args:
      checkpoint: its folder.
      variables: {name: tf.Variable} of the run that starts.
      about: what this run's checkpoints will carry.

    Raises:
      MismatchError: it holds another model, or the same one with other options.
    """
    saved = checkpoints.read_about(checkpoint)
    old, new = saved["model"], about["model"]
    if old["name"] != new["name"]:
        raise MismatchError(
            f"--init_from={checkpoint} holds the model {old['name']}, this run trains "
            f"{new['name']}; give --model={old['name']}"
        )
    _tell_of_options(checkpoint, model_options.described(old), model_options.described(new))
    weights = {name: v for name, v in variables.items() if name.startswith("weights/")}
    known, given = saved["class_names"], about["class_names"]
    of_classes = set() if known == given else _of_classes(weights, saved["shapes"], old, new)
    order = agreement.same_classes(known, given) if sorted(known) == sorted(given) else []
    fresh = set() if order else of_classes
    checkpoints.restore(checkpoint, {name: weights[name] for name in weights.keys() - fresh})
    for name in of_classes - fresh:
        weights[name].assign(weights[name].numpy()[..., order])
    for name, variable in variables.items():
        if name.startswith("ema/"):
            variable.assign(variables[name.replace("ema/", "weights/", 1)])
    learned_anew = f", {', '.join(sorted(fresh))} learned anew" if fresh else ""
    cli.say(f"starting from the weights of {checkpoint}{learned_anew}")
