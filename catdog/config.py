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
    progressive_sizes: tuple[str, ...] = _option(
        (),
        "SIDE:EPOCHS,…, such as 131:8,163:4: sides of the pictures of the first epochs; the rest "
        "has those of the model",
    )
    optimizer: str = _option("momentum", "a file of catdog/optimizers")
    optimizer_option: tuple[str, ...] = _option((), "key=value, such as momentum=0.95")
    schedule: str = _option("cosine", "a file of catdog/schedules")
    schedule_option: tuple[str, ...] = _option((), "key=value, such as warmup_epochs=2")
    evaluator: str = _option("accuracy", "a file of catdog/evaluators: best and plateau follow it")
    evaluator_option: tuple[str, ...] = _option((), "key=value, such as k=3 for top_k")
    learning_rate: float = _option(0.02, "peak learning rate", lower=0.0)
    batch_size: int = _option(64, "examples a step, over all devices", lower=1)
    epochs: int = _option(16, "passes over the training split", lower=1)
    weight_decay: float = _option(5e-4, "factor of the L2 term, half the sum of squares", lower=0.0)
    decay_biases: bool = _option(False, "L2 covers biases too")
    label_smoothing: float = _option(0.1, "0 for none", lower=0.0, upper=1.0)
    class_weights: tuple[str, ...] = _option(
        (), "factors of the loss, as in cat=1,dog=2.5; balanced: the rarer a class the higher"
    )
    clip_norm: float = _option(
        2.0, "longest gradient of the cross-entropy, over all weights; 0: any", lower=0.0
    )
    accumulate_steps: int = _option(
        1, "parts that a batch is computed in, one after the other, to save memory", lower=1
    )
    ema_decay: float = _option(
        0.0,
        "decay of the weights' moving average, which is then validated and kept as best; 0: none",
        lower=0.0,
        upper=0.99999,
    )
    init_from: str = _option(
        "", "run or checkpoint whose weights to start from; other classes are learned anew"
    )
    limit_steps: int = _option(0, "steps of the whole run, at most; 0: as epochs say", lower=0)
    profile_steps: str = _option(
        "", "FIRST:LAST, such as 20:30: traces these steps for TensorBoard into model_dir/profile"
    )
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
    validate_every: int = _option(
        1, "epochs between two validations; there is one after the last in any case", lower=1
    )
    final_views: str = _option("ten", "views a picture in the last evaluation", choices=_VIEWS)
    eval_batch_size: int = _option(64, "examples a step in evaluation", lower=1)
    resume: str = _option(
        "auto",
        "auto: go on from the last checkpoint in model_dir if there is one; never: refuse",
        choices=("auto", "never"),
    )
    save_every_minutes: float = _option(
        5.0, "minutes between two saves of the full state; 0: only after epochs", lower=0.0
    )
    save_every_steps: int = _option(
        0, "steps between two saves of the full state; 0: none by steps", lower=0
    )
    grace_seconds: float = _option(
        30.0, "time that a job has to save and leave after SIGTERM or Ctrl-C", lower=1.0
    )
    deterministic: bool = _option(
        False,
        "the same bits on the same machine, however often the run is interrupted; without oneDNN, "
        "which is slower where TensorFlow uses it",
    )
    stall_steps: int = _option(
        500, "steps at chance before a warning that names the layer to blame; 0: never", lower=0
    )
    max_bad_records: int = _option(
        0,
        "records that training may skip because their picture or label is none, though their "
        "checksum is right; a wrong checksum always stops",
        lower=0,
    )


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """What `python -m catdog.evaluate` takes."""

    data_dir: str = _option(flags.REQUIRED, "folder that build_tfrecords made")
    model_dir: str = _option(flags.REQUIRED, "folder of a training run")
    split: str = _option("validation", "split to score")
    views: str = _option("ten", "views a picture, their probabilities are averaged", choices=_VIEWS)
    evaluators: tuple[str, ...] = _option(
        ("accuracy", "log_loss"), "files of catdog/evaluators: the scores to give"
    )
    evaluator_option: tuple[str, ...] = _option(
        (), "name.key=value for one of the evaluators, such as top_k.k=3"
    )
    checkpoint: str = _option("best", "best, last or a checkpoint's folder")
    batch_size: int = _option(64, "examples a step, over all devices", lower=1)
    precision: str = _option("auto", "number format of the layers", choices=PRECISIONS)
    devices: tuple[str, ...] = _option((), "such as GPU:0,GPU:1; none: every GPU, or the CPU")


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """What `python -m catdog.predict` takes beside the paths of pictures."""

    model_dir: str = _option(flags.REQUIRED, "folder of a training run")
    output_file: str = _option("predictions.csv", "file to write: .csv, or .jsonl for JSON lines")
    top_k: int = _option(0, "write the most probable classes only, this many; 0: all", lower=0)
    truth: str = _option(
        "auto",
        "auto: a picture's folder or the start of its name tells its class, as in dog/7.jpg and "
        "dog.7.jpg; none: it does not",
        choices=("auto", "none"),
    )
    gallery: str = _option("", "PNG to draw pictures with their predictions into; empty: none")
    gallery_pictures: int = _option(
        24,
        "pictures in the gallery; of more, the wrong ones are chosen first, then the least sure",
        lower=1,
        upper=600,
    )
    views: str = _option("ten", "views a picture, their probabilities are averaged", choices=_VIEWS)
    checkpoint: str = _option("best", "best, last or a checkpoint's folder")
    batch_size: int = _option(64, "pictures a step, over all devices", lower=1)
    precision: str = _option("auto", "number format of the layers", choices=PRECISIONS)
    devices: tuple[str, ...] = _option((), "such as GPU:0,GPU:1; none: every GPU, or the CPU")
    max_pixels: int = _option(
        50_000_000, "larger pictures are rejected", lower=1, upper=images.PIXEL_LIMIT
    )


@dataclasses.dataclass(frozen=True)
class PreviewConfig:
    """What `python -m catdog.preview` takes; those that training has too mean the same there."""

    data_dir: str = _option(flags.REQUIRED, "folder that build_tfrecords made")
    output_file: str = _option("preview.png", "PNG to write")
    split: str = _option("train", "split to show")
    pictures: int = _option(
        6, "rows: pictures, of every class as far as they go", lower=1, upper=50
    )
    samples: int = _option(5, "versions of each, one an epoch", lower=1, upper=20)
    augmentation: tuple[str, ...] = _option(
        TrainConfig.augmentation, "files of catdog/augmentations, in order; the first one cuts"
    )
    augmentation_option: tuple[str, ...] = _option(
        (), "name.key=value for one of the augmentations, such as random_resized_crop.area_min=0.5"
    )
    image_size: int = _option(227, "side of the model's pictures", lower=1)
    seed: int = _option(TrainConfig.seed, "of order and augmentation")
    batch_size: int = _option(
        TrainConfig.batch_size, "examples a step: decides who is mixed with whom", lower=1
    )
    shuffle_window_mb: int = _option(
        TrainConfig.shuffle_window_mb, "megabytes of records shuffled together", lower=1
    )
