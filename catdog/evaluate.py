"""Scores a trained model on a split of any data set with the same classes.

python -m catdog.evaluate --data_dir=DATA --model_dir=RUN --split=validation --views=ten
"""

from pathlib import Path
from typing import Any

from catdog import cli
from catdog.config import EvaluateConfig


def main(config: EvaluateConfig) -> dict[str, Any]:
    """The scores of the checkpoint on the split."""
    data_dir = cli.existing_folder(config.data_dir, "data_dir")
    cli.existing_folder(config.model_dir, "model_dir")
    cli.import_tensorflow()
    import numpy as np

    from catdog import parts, schema
    from catdog.data import pipeline, views
    from catdog.training import checkpoints, distribution, loop
    from catdog.training.predict import Predictions, Predictor

    manifest = schema.read_manifest(data_dir)
    split = manifest.split(config.split)
    schema.check_files(data_dir, split)
    loaded = parts.load_model(
        checkpoints.find(Path(config.model_dir), config.checkpoint),
        devices=config.devices,
        precision_name=config.precision,
    )
    model_labels = parts.same_classes(loaded.class_names, manifest.class_names)
    parts.check_image_size(loaded.model, manifest)
    slice_ = distribution.slice_of(loaded.strategy, config.batch_size)
    predictions = Predictor(loaded.model, loaded.strategy, views.find(config.views))(
        lambda: pipeline.eval_dataset(data_dir, manifest, config.split, slice_=slice_),
        examples=split.examples,
        batch_size=config.batch_size,
        progress=lambda steps, total: cli.progress(steps, total=total, what="evaluating"),
    )
    renamed = Predictions(np.array(model_labels)[predictions.labels], predictions.probabilities)
    scores = loop.scores_of(
        renamed, {name: parts.make_evaluator(name) for name in ("accuracy", "log_loss")}
    )
    return {
        "split": config.split,
        "views": config.views,
        "examples": split.examples,
        **scores,
        "checkpoint": str(loaded.checkpoint),
    }


def run() -> None:
    """Runs the command."""
    cli.run_main(main, EvaluateConfig)


if __name__ == "__main__":
    run()
