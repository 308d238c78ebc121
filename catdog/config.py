"""The settings of training, evaluation and prediction: the one home of defaults and help texts."""

import dataclasses

from catdog import flags, images
from catdog.data.views import VIEWS
from catdog.training.precision import PRECISIONS

_option = flags.option
_VIEWS = tuple(VIEWS)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What `python -m catdog.train` takes. The defaults are a recipe that needs no tuning."""

    data_dir: str = _option(flags.REQUIRED, "folder that build_tfrecords made")
    model_dir: str = _option(flags.REQUIRED, "folder of the run: checkpoints, curves, settings")
    train_split: str = _option("train", "split to train on")
    validation_split: str = _option("validation", "split to validate on; empty for none")
    model: str = _option("alexnet", "a file of catdog/models")
    model_option: tuple[str, ...] = _option((), "key=value for the model, such as width=0.125")
    augmentation: tuple[str, ...] = _option(
        ("random_resized_crop",), "files of catdog/augmentations, in order; the first one cuts"
    )
    augmentation_option: tuple[str, ...] = _option(
        (), "name.key=value for one of the augmentations, such as random_resized_crop.area_min=0.5"
    )
    optimizer: str = _option("momentum", "a file of catdog/optimizers")
    optimizer_option: tuple[str, ...] = _option((), "key=value, such as momentum=0.95")
    schedule: str = _option("cosine", "a file of catdog/schedules")
    schedule_option: tuple[str, ...] = _option((), "key=value, such as warmup_epochs=2")
    evaluator: str = _option("accuracy", "a file of catdog/evaluators: best and plateau follow it")
    learning_rate: float = _option(0.0075, "peak learning rate", lower=0.0)
    batch_size: int = _option(64, "examples a step, over all devices", lower=1)
    epochs: int = _option(16, "passes over the training split", lower=1)
    weight_decay: float = _option(5e-4, "factor of the L2 term, half the sum of squares", lower=0.0)
    decay_biases: bool = _option(False, "L2 covers biases too")
    label_smoothing: float = _option(0.1, "0 for none", lower=0.0, upper=1.0)
    precision: str = _option(
        "auto",
        "number format of the layers; auto: bfloat16 where the hardware has it",
        choices=PRECISIONS,
    )
    devices: tuple[str, ...] = _option((), "such as GPU:0,GPU:1; none: every GPU, or the CPU")
    xla: bool = _option(False, "compile the step with XLA (for GPUs; slower on CPUs)")
    seed: int = _option(0, "of initial weights, order, augmentation and dropout")
    steps_per_call: int = _option(8, "steps between two returns to Python", lower=1)
    shuffle_window_mb: int = _option(
        1024, "megabytes of records shuffled together; two windows are in memory", lower=1
    )
    reader_threads: int = _option(0, "pictures decoded at the same time; 0: automatic", lower=0)
    validation_views: str = _option("center", "views a picture in each epoch", choices=_VIEWS)
    final_views: str = _option("ten", "views a picture in the last evaluation", choices=_VIEWS)
    eval_batch_size: int = _option(64, "examples a step in evaluation", lower=1)
    resume: str = _option(
        "auto",
        "auto: go on from the last checkpoint in model_dir if there is one; never: refuse",
        choices=("auto", "never"),
    )


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """What `python -m catdog.evaluate` takes."""

    data_dir: str = _option(flags.REQUIRED, "folder that build_tfrecords made")
    model_dir: str = _option(flags.REQUIRED, "folder of a training run")
    split: str = _option("validation", "split to score")
    views: str = _option("ten", "views a picture, their probabilities are averaged", choices=_VIEWS)
    checkpoint: str = _option("best", "best, last or a checkpoint's folder")
    batch_size: int = _option(64, "examples a step, over all devices", lower=1)
    precision: str = _option("auto", "number format of the layers", choices=PRECISIONS)
    devices: tuple[str, ...] = _option((), "such as GPU:0,GPU:1; none: every GPU, or the CPU")


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """What `python -m catdog.predict` takes beside the paths of pictures."""

    model_dir: str = _option(flags.REQUIRED, "folder of a training run")
    output_file: str = _option("predictions.csv", "CSV to write")
    views: str = _option("ten", "views a picture, their probabilities are averaged", choices=_VIEWS)
    checkpoint: str = _option("best", "best, last or a checkpoint's folder")
    batch_size: int = _option(64, "pictures a step, over all devices", lower=1)
    precision: str = _option("auto", "number format of the layers", choices=PRECISIONS)
    devices: tuple[str, ...] = _option((), "such as GPU:0,GPU:1; none: every GPU, or the CPU")
    max_pixels: int = _option(
        50_000_000, "larger pictures are rejected", lower=1, upper=images.PIXEL_LIMIT
    )
