"""Scores a trained model on a split of any data set with the same classes.

python -m catdog.evaluate --data_dir=DATA --model_dir=RUN --split=validation --views=ten
python -m catdog.evaluate --data_dir=DATA --model_dir=RUN --evaluators=accuracy,auc
"""

from typing import Any

from catdog import cli, schema
from catdog.config import EvaluateConfig
from catdog.training import checkpoints


def main(config: EvaluateConfig) -> dict[str, Any]:
    """The scores of the checkpoint on the split; None for one that has no value there."""
    data_dir = cli.existing_folder(config.data_dir, "data_dir")
    model_dir = cli.existing_folder(config.model_dir, "model_dir")
    manifest = schema.read_checked(data_dir, [config.split])
    checkpoint = checkpoints.find(model_dir, config.checkpoint)
    cli.import_tensorflow()
    import numpy as np

    from catdog import agreement, parts
    from catdog.data import views
    from catdog.training import distribution, loop
    from catdog.training.predict import Predictions, Predictor

    evaluators = parts.make_evaluators(config.evaluators, config.evaluator_option)
    loaded = parts.load_model(checkpoint, devices=config.devices, precision_name=config.precision)
    model_labels = agreement.same_classes(loaded.class_names, manifest.class_names)
    agreement.check_image_size(loaded.model, manifest)
    agreement.tell_of_preparation(loaded.preparation, manifest)
    slice_ = distribution.evaluation_slice(loaded.strategy, config.batch_size)
    predictor = Predictor(loaded.model, loaded.strategy, views.find(config.views))
    predictions = parts.predict_split(predictor, data_dir, manifest, config.split, slice_=slice_)
    renamed = Predictions(np.array(model_labels)[predictions.labels], predictions.probabilities)
    scores = loop.scores_of(renamed, evaluators)
    return {
        "split": config.split,
        "views": config.views,
        "examples": len(predictions.labels),
        **parts.printable(scores),
        "checkpoint": str(loaded.checkpoint),
    }


def run() -> None:
    """Runs the command."""
    cli.run_main(main, EvaluateConfig)


if __name__ == "__main__":
    run()
