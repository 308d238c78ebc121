"""Names and options in, objects out: what training, evaluation and prediction are made of."""

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from catdog import cli, inquest, model_options, registry, schema
from catdog.augmentations._augmentation import Augmentation
from catdog.data import pipeline
from catdog.data.pipeline import Slice
from catdog.errors import IntegrityError, UsageError
from catdog.evaluators._evaluator import Evaluator
from catdog.optimizers._optimizer import Optimizer
from catdog.schedules._schedule import Schedule
from catdog.training import checkpoints, distribution, precision
from catdog.training.predict import Predictions, Predictor, UnusableRecords


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A trained model, ready for prediction.

    Attributes:
      model: uint8 images [B, size, size, 3] -> float32 logits [B, C].
      strategy: the devices it lives on.
      class_names: what the C logits stand for.
      preparation: how a picture became a record: image_size, resize, jpeg_quality.
      checkpoint: the folder it came from.
    """

    model: Any
    strategy: tf.distribute.Strategy
    class_names: tuple[str, ...]
    preparation: dict[str, Any]
    checkpoint: Path


def _by_name(
    names: tuple[str, ...], given: tuple[str, ...], flag: str
) -> dict[str, tuple[str, ...]]:
    """The `key=value` entries of each name, from the `name.key=value` entries of a flag."""
    own: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    for entry in given:
        name, dot, rest = entry.partition(".")
        if not dot or name not in own:
            raise UsageError(
                f"--{flag} is written name.key=value with a name out of {', '.join(names)}, "
                f"received {entry!r}"
            )
        own[name] += (rest,)
    return own


def make_augmentations(
    names: tuple[str, ...],
    given: tuple[str, ...],
    image_size: int,
    statistics: schema.Statistics,
) -> list[Augmentation]:
    """The augmentations called `names`, with their options from `name.key=value` entries.

    Each is given those of `image_size` and the numbers of `statistics` that its constructor names.

    Raises:
      UsageError: an unknown name or option, or a list whose first name is not the one that cuts.
    """
    if not names:
        raise UsageError(
            "--augmentation needs at least one name: the first cuts the stored picture to the "
            f"model's size; choose from {', '.join(registry.names('catdog.augmentations'))}"
        )
    own = _by_name(names, given, "augmentation_option")
    reserved = {"image_size": image_size, **vars(statistics)}
    made: list[Augmentation] = []
    for name in names:
        factory = registry.find("catdog.augmentations", name, Augmentation)
        cuts = factory.crop_box is not Augmentation.crop_box
        if cuts == bool(made):
            raise UsageError(
                "the first --augmentation cuts the stored picture to the model's size and no "
                f"other does, received {','.join(names)}"
            )
        named = inspect.signature(factory).parameters
        wanted = {key: value for key, value in reserved.items() if key in named}
        made.append(factory(**wanted, **registry.options(factory, own[name], reserved)))
    return made


def make_evaluator(name: str, given: tuple[str, ...] = ()) -> Evaluator:
    """The evaluator called `name` with its options."""
    factory = registry.find("catdog.evaluators", name, Evaluator)
    return factory(**registry.options(factory, given, {}))


def make_evaluators(names: tuple[str, ...], given: tuple[str, ...]) -> dict[str, Evaluator]:
    """The evaluators by name, with their options from `name.key=value` entries.

    Raises:
      UsageError: no name, an unknown one, or an entry that belongs to none of them.
    """
    if not names:
        known = ", ".join(registry.names("catdog.evaluators"))
        raise UsageError(f"--evaluators needs at least one name; choose from {known}")
    own = _by_name(names, given, "evaluator_option")
    return {name: make_evaluator(name, options) for name, options in own.items()}


def make_optimizer(name: str, given: tuple[str, ...]) -> Optimizer:
    """The optimizer called `name` with its options."""
    factory = registry.find("catdog.optimizers", name, Optimizer)
    return factory(**registry.options(factory, given, {}))


def make_schedule(
    name: str,
    given: tuple[str, ...],
    *,
    learning_rate: float,
    total_steps: int,
    steps_per_epoch: int,
) -> Schedule:
    """The schedule called `name` with its options."""
    factory = registry.find("catdog.schedules", name, Schedule)
    reserved = {"total_steps": total_steps, "steps_per_epoch": steps_per_epoch}
    options = registry.options(factory, given, reserved | {"learning_rate": learning_rate})
    return factory(learning_rate=learning_rate, **reserved, **options)


def class_weights(
    given: tuple[str, ...], class_names: Sequence[str], label_counts: Sequence[int]
) -> tuple[float, ...]:
    """A factor for the loss of each class; none where `given` is empty.

    Args:
      given: `("balanced",)` for N / (C · examples of the class), or a `name=factor` for each class.
      class_names: in the order of the labels.
      label_counts: training examples of each class.

    Raises:
      UsageError: a class is missing, unknown or named twice, or a factor is no number above 0.
    """
    if not given:
        return ()
    if given == ("balanced",):
        return tuple(sum(label_counts) / (len(label_counts) * max(n, 1)) for n in label_counts)
    pairs = [entry.rpartition("=")[::2] for entry in given]
    try:
        factors = {name: float(number) for name, number in pairs}
    except ValueError:
        factors = {}
    if (
        sorted(name for name, _ in pairs) != sorted(class_names)
        or not factors
        or not all(0 < factor < float("inf") for factor in factors.values())
    ):
        raise UsageError(
            "--class_weights is balanced, or NAME=FACTOR above 0 for each of the classes "
            f"{', '.join(class_names)}; received {','.join(given)!r}"
        )
    return tuple(factors[name] for name in class_names)


def make_model(description: dict[str, Any], *, seed: int, dtype: str) -> Any:
    """The model of a checkpoint's or a new run's description, with its weights made.

    Args:
      description: "name", "options", "num_classes", "mean" and "std".
      seed: of the initial weights.
      dtype: a Keras dtype policy.
    """
    factory = model_options.factory(description["name"])
    about = {key: description[key] for key in ("num_classes", "mean", "std")}
    options = model_options.described(description)
    model = factory(**about, seed=seed, dtype=dtype, **options)
    model(tf.zeros([1, model.image_size, model.image_size, 3], tf.uint8))
    return model


def weights(model: Any) -> dict[str, Any]:
    """{name: tf.Variable} of the model's weights, named as checkpoints name them."""
    return {f"weights/{w.path.partition('/')[2]}": w.value for w in model.weights}


def load_model(checkpoint: Path, *, devices: tuple[str, ...], precision_name: str) -> LoadedModel:
    """The model of a checkpoint, on the named devices."""
    about = checkpoints.read_about(checkpoint)
    strategy = distribution.make_strategy(devices)
    dtype = precision.policy(precision.resolve(precision_name, strategy.extended.worker_devices))
    with strategy.scope():
        model = make_model(about["model"], seed=0, dtype=dtype)
    checkpoints.restore(checkpoint, weights(model))
    names = tuple(about["class_names"])
    return LoadedModel(model, strategy, names, about["preparation"], checkpoint)


def printable(scores: dict[str, Any]) -> dict[str, Any]:
    """The same, None for a score that has no value: AUC, for one, where a class is missing."""
    return {
        name: None if isinstance(score, float) and not math.isfinite(score) else score
        for name, score in scores.items()
    }


def predict_split(
    predictor: Predictor,
    data_dir: Path,
    manifest: schema.Manifest,
    split: str,
    *,
    slice_: Slice,
    reader_threads: int = 0,
    check: Callable[[], None] = lambda: None,
) -> Predictions:
    """The predictions for every example of a split, with progress on stderr.

    `check` is called before each batch, and may raise to end it.

    Raises:
      IntegrityError: a record is damaged or missing; the message names it.
      NumericError: a probability is NaN.
    """

    def checked(steps: Iterable[int]) -> Iterator[int]:
        for step in steps:
            check()
            yield step

    try:
        return predictor(
            lambda: pipeline.eval_dataset(
                data_dir,
                manifest,
                split,
                slice_=slice_,
                reader_threads=reader_threads,
                check_contents=True,
            ),
            examples=manifest.split(split).examples,
            batch_size=slice_.batch_size,
            progress=lambda steps, total: cli.progress(
                checked(steps), total=total, what=f"evaluating {split}, batches"
            ),
        )
    except UnusableRecords as error:
        problems = inquest.bad_records(data_dir, manifest, split, error.examples)
        raise inquest.error_of(problems, data_dir) from error
    except (IntegrityError, tf.errors.OpError) as error:
        reason = inquest.explained(error, data_dir, manifest, split)
        if reason is None:
            raise
        raise reason from error
