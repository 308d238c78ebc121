"""The one place where names become objects: configs in, things that run out."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from catdog import __version__, cli, files, flags, parts, schema
from catdog.config import TrainConfig
from catdog.data import order, pipeline, views
from catdog.errors import MismatchError, UsageError
from catdog.schedules._schedule import Schedule
from catdog.training import checkpoints, distribution, precision
from catdog.training.journal import Journal
from catdog.training.loop import Loop, Progress, scores_of
from catdog.training.predict import Predictor
from catdog.training.steps import Settings, TrainSteps

# What a resumed run may change: where and how it computes, never what.
_FREE_TO_CHANGE = frozenset(
    {"data_dir", "model_dir", "devices", "xla", "reader_threads", "steps_per_call"}
    | {"eval_batch_size", "final_views", "resume"}
)
_DROPOUT = 17  # names the dropout stream of a seed, beside those in order.py
_REPORTED = ("accuracy", "log_loss")


@dataclasses.dataclass(frozen=True)
class Run:
    """A training run, ready to start or to go on.

    Attributes:
      loop: trains from `progress` on.
      progress: where it starts.
      evaluate: scores a split of the data set with a function of `catdog.data.views`.
      weights: {name: tf.Variable} of the model.
    """

    loop: Loop
    progress: Progress
    evaluate: Callable[[str, str], dict[str, float]]
    weights: dict[str, Any]


def _evaluate_function(
    config: TrainConfig, manifest: schema.Manifest, model: Any, strategy: Any
) -> Callable[[str, str], dict[str, float]]:
    """A function (split, views) -> {name: score}; its compiled steps are kept between calls."""
    evaluators = {name: parts.make_evaluator(name) for name in {*_REPORTED, config.evaluator}}
    predictors = {
        name: Predictor(model, strategy, views.find(name))
        for name in {config.validation_views, config.final_views}
    }
    slice_ = distribution.slice_of(strategy, config.eval_batch_size)

    def evaluate(split: str, views_name: str) -> dict[str, float]:
        predictions = predictors[views_name](
            lambda: pipeline.eval_dataset(
                Path(config.data_dir),
                manifest,
                split,
                slice_=slice_,
                reader_threads=config.reader_threads,
            ),
            examples=manifest.split(split).examples,
            batch_size=config.eval_batch_size,
            progress=lambda steps, total: cli.progress(
                steps, total=total, what=f"evaluating {split}"
            ),
        )
        scores = scores_of(predictions, evaluators)
        return {name: scores[name] for name in sorted(scores)}

    return evaluate


def _about(config: TrainConfig, manifest: schema.Manifest) -> dict[str, Any]:
    statistics = manifest.statistics(config.train_split)
    return {
        "catdog_version": __version__,
        "order_version": order.ORDER_VERSION,
        "config": dataclasses.asdict(config),
        "data_fingerprint": manifest.fingerprint,
        "class_names": list(manifest.class_names),
        "preparation": manifest.preparation,
        "model": {
            "name": config.model,
            "options": list(config.model_option),
            "num_classes": len(manifest.class_names),
            "mean": list(statistics.mean),
            "std": list(statistics.std),
        },
    }


def _check_resumable(saved: dict[str, Any], about: dict[str, Any], path: Path) -> None:
    """Raises MismatchError when `saved` belongs to another run than `about`."""
    if saved["data_fingerprint"] != about["data_fingerprint"]:
        raise MismatchError(
            f"{path} was trained on other records than --data_dir holds; train into a new "
            "--model_dir"
        )
    old, new = saved["config"], json.loads(json.dumps(about["config"]))
    for name in sorted(set(old) | set(new)):
        if name not in _FREE_TO_CHANGE and old.get(name) != new.get(name):
            raise MismatchError(
                f"{path} was trained with {name}={old.get(name)!r}, this run asks for "
                f"{new.get(name)!r}; use the same flags ({path.parent.parent / 'flags.txt'}) or a "
                "new --model_dir"
            )


def _start(config: TrainConfig, about: dict[str, Any], variables: dict[str, Any]) -> Progress:
    """Where the run starts: at the last checkpoint in model_dir, or at the beginning."""
    found = checkpoints.of_kind(Path(config.model_dir) / "checkpoints", "last")
    if not found:
        return Progress(0, None, 0, {}, [])
    if config.resume == "never":
        raise UsageError(
            f"{config.model_dir} already holds a run; choose a new --model_dir or --resume=auto"
        )
    saved = checkpoints.read_about(found[-1])
    _check_resumable(saved, about, found[-1])
    checkpoints.restore(found[-1], variables)
    cli.say(f"resuming after epoch {saved['progress']['epoch']} from {found[-1]}")
    return Progress(**saved["progress"])


def _make_steps(
    config: TrainConfig, about: dict[str, Any], strategy: tf.distribute.Strategy
) -> tuple[Any, TrainSteps]:
    """The model, and the steps that train it."""
    chosen = precision.resolve(config.precision)
    settings = Settings(
        batch_size=config.batch_size,
        weight_decay=config.weight_decay,
        decay_biases=config.decay_biases,
        label_smoothing=config.label_smoothing,
        dropout_key=order.derive(_DROPOUT, config.seed) >> 1,
        loss_scaling=chosen == "float16",
        xla=config.xla,
    )
    optimizer = parts.make_optimizer(config.optimizer, config.optimizer_option)
    with strategy.scope():
        model = parts.make_model(about["model"], seed=config.seed, dtype=precision.policy(chosen))
        return model, TrainSteps(model, optimizer, strategy, settings)


def _read_data(config: TrainConfig) -> schema.Manifest:
    """The manifest of the data set, its files checked."""
    manifest = schema.read_manifest(config.data_dir)
    for split in filter(None, (config.train_split, config.validation_split)):
        schema.check_files(config.data_dir, manifest.split(split))
    return manifest


def _iterator_function(
    config: TrainConfig, manifest: schema.Manifest, image_size: int, strategy: Any
) -> Callable[[int], Iterator[Any]]:
    """A function from a step of the run to the training batches from there on."""
    slice_ = distribution.slice_of(strategy, config.batch_size)
    augmentations = parts.make_augmentations(
        config.augmentation, config.augmentation_option, image_size
    )

    def make_iterator(start_step: int) -> Iterator[Any]:
        return distribution.distributed_iterator(
            strategy,
            lambda: pipeline.train_dataset(
                Path(config.data_dir),
                manifest,
                config.train_split,
                slice_=slice_,
                augmentations=augmentations,
                seed=config.seed,
                epochs=config.epochs,
                start_step=start_step,
                window_bytes=config.shuffle_window_mb << 20,
                reader_threads=config.reader_threads,
            ),
        )

    return make_iterator


def _make_schedule(config: TrainConfig, steps_per_epoch: int) -> Schedule:
    return parts.make_schedule(
        config.schedule,
        config.schedule_option,
        learning_rate=config.learning_rate,
        total_steps=config.epochs * steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
    )


Records = list[dict[str, Any]]


def _both(
    first: Callable[[Records], None], second: Callable[[Records], None]
) -> Callable[[Records], None]:
    def call(records: Records) -> None:
        first(records)
        second(records)

    return call


def build(
    config: TrainConfig,
    *,
    on_steps: Callable[[Records], None],
    on_epoch: Callable[[Records], None],
) -> Run:
    """The training run that the config describes.

    Args:
      config: the settings.
      on_steps: called now and then with the records of the steps since the last time.
      on_epoch: called after each epoch with the records of all epochs so far.
    """
    manifest = _read_data(config)
    examples = manifest.split(config.train_split).examples
    steps_per_epoch = pipeline.steps_per_epoch(examples, config.batch_size)
    strategy = distribution.make_strategy(config.devices)
    evaluator = parts.make_evaluator(config.evaluator)
    about = _about(config, manifest)
    model, steps = _make_steps(config, about, strategy)
    parts.check_image_size(model, manifest)
    make_iterator = _iterator_function(config, manifest, model.image_size, strategy)
    evaluate = _evaluate_function(config, manifest, model, strategy)
    progress = _start(config, about, steps.variables)
    journal = Journal(Path(config.model_dir), start_step=progress.epoch * steps_per_epoch)
    if progress.history:  # the run may have been stopped between its checkpoint and its summary
        journal.write_epochs(progress.history)
    validated = config.validation_split
    training = Loop(
        steps=steps,
        make_iterator=make_iterator,
        validate=lambda: evaluate(validated, config.validation_views) if validated else {},
        evaluator=evaluator,
        score_name=config.evaluator,
        schedule=_make_schedule(config, steps_per_epoch),
        model_dir=Path(config.model_dir),
        about=about,
        epochs=config.epochs,
        steps_per_epoch=steps_per_epoch,
        steps_per_call=config.steps_per_call,
        on_steps=_both(journal.write_steps, on_steps),
        on_epoch=_both(journal.write_epochs, on_epoch),
    )
    return Run(training, progress, evaluate, parts.weights(model))


def write_settings(config: TrainConfig) -> None:
    """Writes config.json and flags.txt into the run's folder."""
    model_dir = Path(config.model_dir)
    saved = {"catdog_version": __version__, "config": dataclasses.asdict(config)}
    files.write_whole(model_dir / "config.json", json.dumps(saved, indent=1) + "\n")
    files.write_whole(model_dir / "flags.txt", flags.to_flags_text(config))
