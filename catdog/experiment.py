"""The one place where names become objects: configs in, things that run out."""

import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from catdog import (
    __version__,
    agreement,
    feed,
    files,
    flags,
    inquest,
    listeners,
    model_options,
    parts,
    resume,
    schema,
    warm_start,
)
from catdog.config import TrainConfig
from catdog.data import decoder, order, pipeline, views
from catdog.errors import IntegrityError, UsageError
from catdog.evaluators._evaluator import Evaluator
from catdog.schedules._schedule import Schedule
from catdog.signals import Signals
from catdog.training import distribution, precision
from catdog.training.loop import Loop, SaveRules, scores_of
from catdog.training.predict import Predictor
from catdog.training.progress import Extent
from catdog.training.steps import Settings, TrainSteps

_DROPOUT = 17  # names the dropout stream of a seed, beside those in order.py
_REPORTED = ("accuracy", "log_loss")

Check = Callable[[], None]
Evaluate = Callable[[str, str, Check], dict[str, Any]]
Validate = Callable[[Check], dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Run:
    """A training run, ready to start or to go on.

    Attributes:
      loop: trains from `start` on.
      start: where it starts.
      evaluate: (split, views, check) -> split, views, number of examples and every score by name;
        calls `check` before each batch.
      weights: {name: tf.Variable} of the model.
      explain: an error of the training's input with the record that made it, or None.
      summary: one line about what will be trained, and on what.
    """

    loop: Loop
    start: resume.Start
    evaluate: Evaluate
    weights: dict[str, Any]
    explain: Callable[[BaseException], IntegrityError | None]
    summary: str


def _evaluate_function(
    config: TrainConfig, manifest: schema.Manifest, model: Any, strategy: Any
) -> Evaluate:
    """`Run.evaluate`; its compiled steps are kept between calls."""
    evaluators = {name: parts.make_evaluator(name) for name in _REPORTED}
    evaluators[config.evaluator] = parts.make_evaluator(config.evaluator, config.evaluator_option)
    predictors = {
        name: Predictor(model, strategy, views.find(name))
        for name in {config.validation_views, config.final_views}
    }

    def evaluate(split: str, views_name: str, check: Check) -> dict[str, Any]:
        predictions = parts.predict_split(
            predictors[views_name],
            Path(config.data_dir),
            manifest,
            split,
            slice_=distribution.evaluation_slice(strategy, config.eval_batch_size),
            reader_threads=config.reader_threads,
            check=check,
        )
        scores = scores_of(predictions, evaluators)
        count = len(predictions.labels)
        about: dict[str, Any] = {"split": split, "views": views_name, "examples": count}
        return about | {name: scores[name] for name in sorted(scores)}

    return evaluate


def _about(
    config: TrainConfig, manifest: schema.Manifest, strategy: tf.distribute.Strategy
) -> dict[str, Any]:
    """What every checkpoint carries: all that is needed to use it, and to go on from it."""
    devices = strategy.extended.worker_devices
    statistics = manifest.statistics(config.train_split)
    scaling = warm_start.input_statistics(Path(config.model_dir), config.init_from, statistics)
    return {
        "catdog_version": __version__,
        "order_version": order.ORDER_VERSION,
        "decoder": decoder.fingerprint(),
        "precision": precision.resolve(config.precision, devices),
        "machine": {
            "devices": list(devices),
            "tensorflow": tf.__version__,
            "cores": os.cpu_count(),
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        },
        "config": dataclasses.asdict(config),
        "data_fingerprint": manifest.fingerprint,
        "class_names": list(manifest.class_names),
        "preparation": manifest.preparation,
        "model": {
            "name": config.model,
            "options": model_options.complete(config.model, config.model_option),
            "num_classes": len(manifest.class_names),
            **scaling,
        },
    }


def _make_steps(
    config: TrainConfig,
    about: dict[str, Any],
    manifest: schema.Manifest,
    strategy: tf.distribute.Strategy,
) -> tuple[Any, TrainSteps]:
    """The model, and the steps that train it."""
    chosen = about["precision"]
    parts_of_a_batch = config.accumulate_steps * strategy.num_replicas_in_sync
    if config.batch_size % parts_of_a_batch:
        raise UsageError(
            "--batch_size must be a multiple of the number of replicas times --accumulate_steps, "
            f"{parts_of_a_batch}; received {config.batch_size}"
        )
    label_counts = manifest.split(config.train_split).label_counts
    settings = Settings(
        batch_size=config.batch_size,
        weight_decay=config.weight_decay,
        decay_biases=config.decay_biases,
        label_smoothing=config.label_smoothing,
        dropout_key=order.derive(_DROPOUT, config.seed) >> 1,
        loss_scaling=chosen == "float16",
        xla=config.xla,
        longest_call=config.steps_per_call,
        timed=not config.deterministic,
        clip_norm=config.clip_norm,
        ema_decay=config.ema_decay,
        accumulate_steps=config.accumulate_steps,
        class_weights=parts.class_weights(config.class_weights, manifest.class_names, label_counts),
    )
    optimizer = parts.make_optimizer(config.optimizer, config.optimizer_option)
    with strategy.scope():
        model = parts.make_model(about["model"], seed=config.seed, dtype=precision.policy(chosen))
        return model, TrainSteps(model, optimizer, strategy, settings)


def _splits(config: TrainConfig) -> list[str]:
    return [name for name in (config.train_split, config.validation_split) if name]


def _make_schedule(config: TrainConfig, extent: Extent) -> Schedule:
    schedule = parts.make_schedule(
        config.schedule,
        config.schedule_option,
        learning_rate=config.learning_rate,
        total_steps=extent.total_steps,
        steps_per_epoch=extent.steps_per_epoch,
    )
    if schedule.follows_score and not config.validation_split:
        raise UsageError(
            f"--schedule={config.schedule} follows the validation score, there is no "
            "--validation_split; name one or choose another schedule"
        )
    if schedule.follows_score and config.validate_every > 1:
        raise UsageError(
            f"--schedule={config.schedule} follows the validation score of every epoch, received "
            f"--validate_every={config.validate_every}"
        )
    return schedule


def _make_evaluator(config: TrainConfig, manifest: schema.Manifest) -> Evaluator:
    evaluator = parts.make_evaluator(config.evaluator, config.evaluator_option)
    agreement.check_evaluator(evaluator, config.evaluator, manifest, config.validation_split)
    return evaluator


Records = list[dict[str, Any]]


def build(config: TrainConfig, *, signals: Signals, on_epoch: Callable[[Records], None]) -> Run:
    """The training run that the config describes.

    Args:
      config: the settings.
      signals: asked between two calls of several steps whether to stop or to save.
      on_epoch: called after each epoch with the records of all epochs so far.
    """
    manifest = schema.read_checked(config.data_dir, _splits(config))
    extent = _extent(config, manifest)
    schedule = _make_schedule(config, extent)
    evaluator = _make_evaluator(config, manifest)
    strategy = distribution.make_strategy(config.devices)
    about = _about(config, manifest, strategy)
    model, steps = _make_steps(config, about, manifest, strategy)
    agreement.check_image_size(model, manifest)
    batches = feed.feed(config, manifest, model, strategy, extent)
    evaluate = _evaluate_function(config, manifest, model, strategy)
    start = resume.start(Path(config.model_dir), about, steps.variables, extent)

    training = Loop(
        steps=steps,
        make_iterator=batches.make_iterator,
        new_stages=batches.new_stages,
        is_validated=_is_validated_function(config, extent),
        validate=_validate_function(config, evaluate),
        evaluator=evaluator,
        score_name=config.evaluator,
        schedule=schedule,
        model_dir=Path(config.model_dir),
        about=about,
        extent=extent,
        steps_per_call=config.steps_per_call,
        listeners=listeners.listeners(
            config,
            manifest,
            model=model,
            start_step=start.progress.step,
            extent=extent,
            on_epoch=on_epoch,
        ),
        rules=_save_rules(config),
        signals=signals,
    )

    def explain(error: BaseException) -> IntegrityError | None:
        return inquest.explained(error, Path(config.data_dir), manifest, config.train_split)

    summary = _summary(config, about, extent.examples)
    return Run(training, start, evaluate, parts.weights(model), explain, summary)


def _validate_function(config: TrainConfig, evaluate: Evaluate) -> Validate:
    """The scores of the validation split, or none where there is no such split."""

    def validate(check: Check) -> dict[str, float]:
        if not config.validation_split:
            return {}
        found = evaluate(config.validation_split, config.validation_views, check)
        return {name: score for name, score in found.items() if isinstance(score, float)}

    return validate


def _is_validated_function(config: TrainConfig, extent: Extent) -> Callable[[int], bool]:
    """Whether a validation follows an epoch; where there never is one, each counts as judged."""
    every = config.validate_every if config.validation_split else 1

    def is_validated(epoch: int) -> bool:
        return (epoch + 1) % every == 0 or epoch + 1 >= extent.epochs

    return is_validated


def _extent(config: TrainConfig, manifest: schema.Manifest) -> Extent:
    examples = manifest.split(config.train_split).examples
    steps_per_epoch = pipeline.steps_per_epoch(examples, config.batch_size)
    total_steps = min(config.epochs * steps_per_epoch, config.limit_steps or sys.maxsize)
    return Extent(examples, steps_per_epoch, total_steps)


def _save_rules(config: TrainConfig) -> SaveRules:
    return SaveRules(
        every_minutes=config.save_every_minutes,
        every_steps=config.save_every_steps,
        # What is left of the grace is for the save itself.
        call_seconds=config.grace_seconds / 4,
    )


def _summary(config: TrainConfig, about: dict[str, Any], examples: int) -> str:
    devices = ", ".join(name.rpartition("device:")[2] for name in about["machine"]["devices"])
    return (
        f"training {config.model} on {examples} pictures of {len(about['class_names'])} classes, "
        f"{config.epochs} epochs, batches of {config.batch_size}, {about['precision']} on {devices}"
    )


def write_settings(config: TrainConfig) -> None:
    """Writes config.json and flags.txt into the run's folder."""
    saved = {"catdog_version": __version__, "config": dataclasses.asdict(config)}
    files.write_json(Path(config.model_dir, "config.json"), saved)
    files.write_whole(Path(config.model_dir, "flags.txt"), flags.to_flags_text(config))
