"""Whether a model, a data set and an evaluator go together."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from catdog import cli, schema
from catdog.errors import MismatchError, UsageError
from catdog.evaluators._evaluator import Evaluator

# So many times the side of what a model takes: of larger pictures a view leaves out most.
_LARGE = 1.5


def same_classes(model_names: Iterable[str], data_names: Iterable[str]) -> list[int]:
    """The model's class number for each class of the data, matched by name.

    Raises:
      MismatchError: one has a class that the other does not have.
    """
    known, given = list(model_names), list(data_names)
    if sorted(known) != sorted(given):
        same_but_case = sorted(map(str.lower, known)) == sorted(map(str.lower, given))
        way_out = "rename the folders" if same_but_case else "choose a data set of these classes"
        raise MismatchError(
            f"the model knows the classes {', '.join(known)}, the data set has "
            f"{', '.join(given)}; {way_out} and build it again"
        )
    return [known.index(name) for name in given]


def check_image_size(model: Any, manifest: schema.Manifest) -> None:
    """Raises MismatchError when the stored pictures are too small for the model.

    Where they are much larger it says what of them a view shows.
    """
    if manifest.image_size < model.image_size:
        raise MismatchError(
            f"the model needs pictures of at least {model.image_size} pixels, the data set has "
            f"{manifest.image_size}; build it with --image_size=256"
        )
    if manifest.image_size > _LARGE * model.image_size:
        cli.say(
            f"note: a view shows {100 * model.image_size / manifest.image_size:.0f} % of a "
            f"picture's side, {model.image_size} of {manifest.image_size} pixels; pictures built "
            "with --image_size=256 are shown nearly whole"
        )


def tell_of_preparation(learned: dict[str, Any], manifest: schema.Manifest) -> None:
    """Says where the stored pictures were made in another way than those that a model learned."""
    for name in ("image_size", "resize"):
        then, now = learned[name], manifest.preparation[name]
        if then != now:
            cli.say(
                f"warning: the model learned pictures built with --{name}={then}, these have "
                f"{now}: the scores are of pictures that look otherwise; build them alike"
            )


def check_evaluator(evaluator: Evaluator, name: str, manifest: schema.Manifest, split: str) -> None:
    """Nothing, when the evaluator called `name` has a value for the split, or `split` is empty.

    Raises:
      UsageError: it has none, whatever a model says of the pictures.
    """
    if not split:
        return
    classes = len(manifest.class_names)
    labels = np.repeat(np.arange(classes), np.minimum(manifest.split(split).label_counts, 2))
    probabilities = np.full((len(labels), classes), 0.1 / classes, np.float32)
    probabilities[np.arange(len(labels)), labels] += 0.9
    if np.isnan(evaluator.score(labels, probabilities)):
        raise UsageError(
            f"--evaluator={name} has no value for the validation pictures (do they have every "
            "class?); choose another evaluator or split"
        )
