"""Trains an image classifier from the records of build_tfrecords.

python -m catdog.train --data_dir=DATA --model_dir=RUN
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catdog import cli, files, schema
from catdog.config import TrainConfig
from catdog.errors import CatdogError, UsageError
from catdog.signals import Signals
from catdog.training import checkpoints


def main(config: TrainConfig) -> dict[str, Any]:
    """Trains, scores the best checkpoint once more, and returns its scores."""
    with Signals() as signals:
        cli.existing_folder(config.data_dir, "data_dir")
        manifest = _read_manifest(config)
        model_dir = Path(config.model_dir)
        if config.resume == "never" and checkpoints.of_kind(model_dir / "checkpoints", "last"):
            raise UsageError(f"{model_dir} already holds a run; choose a new one or --resume=auto")
        with _locked(model_dir):
            if config.deterministic:
                # Else it reports, as an error, an attribute of its own that it has no use for.
                os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
                # oneDNN's gradients of biases differ in their last bits from run to run.
                os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
            tf = cli.import_tensorflow()
            if config.deterministic:
                # Holds for the whole process; TensorFlow has no public way back.
                tf.config.experimental.enable_op_determinism()
            return _train(config, manifest, signals)


@contextlib.contextmanager
def _locked(model_dir: Path) -> Iterator[None]:
    """Holds the run's folder, made if need be; one that wrong flags leave empty goes again."""
    is_new = not model_dir.exists()
    model_dir.mkdir(parents=True, exist_ok=True)
    lock = model_dir / ".lock"
    with files.lock(lock, str(model_dir)):
        try:
            yield
        except UsageError:
            if is_new and list(model_dir.iterdir()) == [lock]:
                lock.unlink()
                model_dir.rmdir()
            raise


def _read_manifest(config: TrainConfig) -> schema.Manifest:
    """The manifest, once the shards to read are there."""
    known = schema.read_manifest(config.data_dir).splits
    if config.validation_split and config.validation_split not in known:
        raise UsageError(
            f"the data set has no split {config.validation_split!r} to validate on; choose "
            f"--validation_split from {', '.join(known)}, or none with --validation_split= (the "
            "last epoch is then the best one)"
        )
    splits = [name for name in (config.train_split, config.validation_split) if name]
    return schema.read_checked(config.data_dir, splits)


def _train(config: TrainConfig, manifest: schema.Manifest, signals: Signals) -> dict[str, Any]:
    from catdog import experiment, parts
    from catdog.reports import curves

    model_dir = Path(config.model_dir)

    def on_epoch(history: list[dict[str, Any]]) -> None:
        curves.write_learning_curve(
            model_dir,
            history,
            score_name=config.evaluator,
            label_smoothing=config.label_smoothing,
        )

    run = experiment.build(config, signals=signals, on_epoch=on_epoch)
    signals.check()
    experiment.write_settings(config)
    cli.say(run.summary)
    try:
        progress = run.loop.train(run.start.progress, run.start.losses)
    except CatdogError:
        raise
    except Exception as error:
        reason = run.explain(error)
        if reason is None:
            raise
        raise reason from error
    if config.validation_split:
        _write_card(model_dir, manifest, progress.history)
    best = checkpoints.find(model_dir, "best")
    result: dict[str, Any] = {"epochs": progress.epoch, "best_epoch": progress.best_epoch}
    if config.validation_split:
        checkpoints.restore(best, run.weights)
        found = run.evaluate(config.validation_split, config.final_views, signals.check)
        result |= parts.printable(found)
    return result | {"checkpoint": str(best), "peak_memory_mb": cli.peak_memory_mb()}


def _write_card(model_dir: Path, manifest: schema.Manifest, history: list[dict[str, Any]]) -> None:
    from catdog.reports import learning_card, milestones

    compare = milestones.is_dogs_vs_cats(manifest)
    learning_card.write_card(model_dir, history, compare=compare)
    for line in learning_card.lines(history, compare=compare):
        cli.say(line)


def run() -> None:
    """Runs the command."""
    cli.run_main(main, TrainConfig)


if __name__ == "__main__":
    run()
