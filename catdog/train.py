"""Trains an image classifier from the records of build_tfrecords.

python -m catdog.train --data_dir=DATA --model_dir=RUN
"""

from pathlib import Path
from typing import Any

from catdog import cli, files
from catdog.config import TrainConfig


def main(config: TrainConfig) -> dict[str, Any]:
    """Trains, scores the best checkpoint once more, and returns its scores."""
    cli.existing_folder(config.data_dir, "data_dir")
    model_dir = Path(config.model_dir)
    model_dir.mkdir(parents=True, exist_ok=True)
    with files.lock(model_dir / ".lock", str(model_dir)):
        cli.import_tensorflow()
        from catdog import experiment
        from catdog.reports import curves
        from catdog.training import checkpoints

        narrator = _Narrator(config.epochs)

        def on_epoch(history: list[dict[str, Any]]) -> None:
            narrator.end_epoch(history[-1])
            curves.write_learning_curve(model_dir, history, score_name=config.evaluator)

        run = experiment.build(config, on_steps=narrator.on_steps, on_epoch=on_epoch)
        narrator.steps_per_epoch = run.loop.steps_per_epoch
        experiment.write_settings(config)
        progress = run.loop.train(run.progress)
        best = checkpoints.find(model_dir, "best")
        result: dict[str, Any] = {"epochs": progress.epoch, "best_epoch": progress.best_epoch}
        if config.validation_split:
            checkpoints.restore(best, run.weights)
            scores = run.evaluate(config.validation_split, config.final_views)
            result |= {"split": config.validation_split, "views": config.final_views, **scores}
        return result | {"checkpoint": str(best), "peak_memory_mb": cli.peak_memory_mb()}


class _Narrator:
    """Tells how a run goes: a meter within each epoch, a line after it."""

    def __init__(self, epochs: int) -> None:
        self.steps_per_epoch = 0
        self._epochs = epochs
        self._meter: cli.Meter | None = None

    def on_steps(self, records: list[dict[str, Any]]) -> None:
        if self._meter is None:
            what = f"epoch {records[-1]['epoch']}/{self._epochs}, steps"
            self._meter = cli.Meter(self.steps_per_epoch, what)
        self._meter.advance(len(records), f"loss {records[-1]['cross_entropy']:.4f}")

    def end_epoch(self, record: dict[str, Any]) -> None:
        if self._meter is not None:
            self._meter.close()
        self._meter = None
        cli.say(_epoch_line(record, self._epochs))


def _epoch_line(record: dict[str, Any], epochs: int) -> str:
    scores = "  ".join(
        f"{key.replace('_', ' ')} {value:.4f}"
        for key, value in record.items()
        if key.startswith("validation_") and not key.endswith("seconds")
    )
    return (
        f"epoch {record['epoch']}/{epochs}  loss {record['train_cross_entropy']:.4f}"
        f" + L2 {record['l2']:.4f}  accuracy {record['train_accuracy']:.4f}  {scores}"
        f"{' *' if record['is_best'] else ''}  rate {record['learning_rate']:.2g}"
        f"  {record['pictures_per_second']} pictures/s"
        f"  waited for data {record['data_wait_percent']} %"
    )


def run() -> None:
    """Runs the command."""
    cli.run_main(main, TrainConfig)


if __name__ == "__main__":
    run()
