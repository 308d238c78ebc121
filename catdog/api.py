"""Training and its results for Python code: what a notebook types.

`dataset` (with `training_dataset`), `train`, `evaluate` and `predict` run the code of the commands,
say how it goes on stderr, and raise what `catdog.errors` defines where a command would exit.
`docs/python.md` shows them one after the other; `data_tools.api.build` comes before them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catdog import checks, cli, pictures, schema
from catdog import evaluate as _evaluate
from catdog import predict as _predict
from catdog import train as _train
from catdog.config import EvaluateConfig, PredictConfig, TrainConfig
from catdog.errors import UsageError
from catdog.predict import Prediction
from catdog.training import checkpoints

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = [
    "EvaluateConfig",
    "Prediction",
    "TrainConfig",
    "dataset",
    "evaluate",
    "predict",
    "train",
    "training_dataset",
]


def _manifest(data_dir: str | Path, split: str, batch_size: int, image_size: int) -> Any:
    """The manifest of the data set, with the arguments found right."""
    folder = cli.existing_folder(str(data_dir), "data_dir")
    manifest = schema.read_checked(folder, [split])
    if batch_size < 1:
        raise UsageError(f"batch_size must be at least 1, received {batch_size}")
    if not 1 <= image_size <= manifest.image_size:
        raise UsageError(
            f"image_size must be 1 to {manifest.image_size}, the size of the stored pictures; "
            f"received {image_size}"
        )
    return manifest


def dataset(
    data_dir: str | Path, split: str, *, batch_size: int = 64, image_size: int = 227
) -> "tf.data.Dataset":
    """A split's pictures, each once, in the order of the files, for evaluating any Keras model.

    Elements are pairs: images uint8 [b, image_size, image_size, 3], the middle of each stored
    picture, and labels int32 [b]. b is `batch_size`, less in the last batch. `len()` of it is the
    number of batches.

    >>> from catdog.api import dataset
    >>> for images, labels in dataset("data", "validation", batch_size=3):
    ...     print(images.shape, labels.shape)
    (3, 227, 227, 3) (3,)
    (1, 227, 227, 3) (1,)

    Args:
      data_dir: folder that `data_tools.api.build` made.
      split: which of its splits.
      batch_size: pictures a batch.
      image_size: side of the square to cut, at most that of the stored pictures.

    Raises:
      UsageError: a folder, split or size that is not there.
      InputError: the folder holds no data set.
      IntegrityError: a file of it is missing or cut.

    Iterating raises tf.errors.InvalidArgumentError or DataLossError where a record is damaged.
    """
    manifest = _manifest(data_dir, split, batch_size, image_size)
    cli.import_tensorflow()
    from catdog.data import pairs, pipeline, views

    slice_ = pipeline.Slice(batch_size)
    batches = pipeline.eval_dataset(Path(data_dir), manifest, split, slice_=slice_)

    def cut(batch: dict[str, Any]) -> dict[str, Any]:
        return batch | {"images": views.center_crop(batch["images"], image_size)[0]}

    steps = pipeline.steps_per_epoch(manifest.split(split).examples, batch_size)
    middles = batches.map(cut, num_parallel_calls=1, deterministic=True)
    return pairs.labelled_pictures(middles, steps, data_dir)


def _unmixing(
    names: Sequence[str], given: Sequence[str], image_size: int, manifest: Any, split: str
) -> list[Any]:
    """The augmentations, when none of them mixes pictures of two classes."""
    from catdog import parts
    from catdog.augmentations._augmentation import Augmentation

    statistics = manifest.statistics(split)
    made = parts.make_augmentations(tuple(names), tuple(given), image_size, statistics)
    for name, augmentation in zip(names, made, strict=True):
        if type(augmentation).mix is not Augmentation.mix:
            raise UsageError(
                f"{name} mixes classes, which whole labels cannot say; leave it out, or train "
                "with catdog.api.train"
            )
    return made


def training_dataset(
    data_dir: str | Path,
    split: str = TrainConfig.train_split,
    *,
    batch_size: int = 64,
    image_size: int = 227,
    augmentation: Sequence[str] = TrainConfig.augmentation,
    augmentation_option: Sequence[str] = (),
    seed: int = 0,
    epochs: int = 1,
) -> "tf.data.Dataset":
    """A split's pictures shuffled and augmented, as `catdog.train` has them, for any Keras model.

    Elements are as those of `dataset`. All `epochs` come one after the other, each in an order and
    with crops of its own: `model.fit(batches, epochs=e, steps_per_epoch=len(batches) // e)`.

    >>> from catdog.api import training_dataset
    >>> batches = training_dataset("data", batch_size=10, epochs=2)
    >>> [len(labels) for images, labels in batches]
    [10, 6, 10, 6]

    Args:
      data_dir, split, batch_size, image_size: as for `dataset`.
      augmentation: names of files of `catdog/augmentations`, in order; the first one cuts.
      augmentation_option: "name.key=value" for one of them.
      seed: of order and augmentations; the same seed gives the same batches.
      epochs: how many.

    Raises:
      UsageError: as for `dataset`, or an augmentation that mixes pictures of two classes.
      InputError, IntegrityError: as for `dataset`.
    """
    manifest = _manifest(data_dir, split, batch_size, image_size)
    if epochs < 1:
        raise UsageError(f"epochs must be at least 1, received {epochs}")
    cli.import_tensorflow()
    from catdog.data import pairs, pipeline

    batches = pipeline.train_dataset(
        Path(data_dir),
        manifest,
        split,
        slice_=pipeline.Slice(batch_size),
        augmentations=_unmixing(augmentation, augmentation_option, image_size, manifest, split),
        seed=seed,
        epochs=epochs,
    )
    steps = pipeline.steps_per_epoch(manifest.split(split).examples, batch_size)
    return pairs.labelled_pictures(batches, steps * epochs, data_dir)


def train(config: TrainConfig) -> dict[str, Any]:
    """The scores of the best epoch, after training as `python -m catdog.train` does it.

    The dict holds "epochs", "best_epoch", "split", "views", "examples", each score by its name,
    "checkpoint" (a folder) and "peak_memory_mb". The run's files are in `config.model_dir`; the
    same call goes on where an interrupted one stopped.

    >>> from catdog.api import TrainConfig, train
    >>> result = train(
    ...     TrainConfig(
    ...         data_dir="data",
    ...         model_dir="model",
    ...         model_option=("width=0.03",),
    ...         epochs=1,
    ...         batch_size=8,
    ...     )
    ... )
    >>> result["split"], result["examples"], result["checkpoint"]
    ('validation', 4, 'model/checkpoints/best-000001')
    >>> 0 <= result["accuracy"] <= 1
    True

    Args:
      config: one field is one flag of the command; `data_dir` and `model_dir` have no default.

    Raises:
      UsageError: a setting that cannot be used as given.
      InputError: there is no data set in `data_dir`.
      IntegrityError: records or checkpoints are damaged.
      MismatchError: `model_dir` holds a run with other data or settings.
      NumericError: the loss is no finite number.
      LockedError: another job trains in `model_dir`.
      KeyboardInterrupt: SIGINT or, as its kind Preempted, SIGTERM came; the last step is saved.
    """
    return _train.main(checks.checked(config))


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """The scores of a trained model on a split, as `python -m catdog.evaluate` gives them.

    The dict holds "split", "views", "examples", each score by its name (None where it has no
    value, such as AUC where a class is missing) and "checkpoint".

    >>> from catdog.api import EvaluateConfig, evaluate
    >>> result = evaluate(EvaluateConfig(data_dir="data", model_dir="model", views="center"))
    >>> list(result)
    ['split', 'views', 'examples', 'accuracy', 'log_loss', 'checkpoint']

    Args:
      config: one field is one flag of the command; `data_dir` and `model_dir` have no default.

    Raises:
      UsageError: a setting that cannot be used as given, or no checkpoint in `model_dir`.
      InputError: there is no data set in `data_dir`.
      IntegrityError: records or the checkpoint are damaged.
      MismatchError: the model knows other classes, or needs larger pictures.
      NumericError: the model gives NaN.
    """
    return _evaluate.main(checks.checked(config))


def predict(
    model_dir: str | Path,
    paths: str | Path | Sequence[str | Path],
    *,
    views: str = PredictConfig.views,
    checkpoint: str = PredictConfig.checkpoint,
    batch_size: int = PredictConfig.batch_size,
    precision: str = PredictConfig.precision,
    devices: Sequence[str] = PredictConfig.devices,
    max_pixels: int = PredictConfig.max_pixels,
) -> list[Prediction]:
    """A Prediction for each picture, in order; a broken picture's has an error and no class.

    All of them are in memory; for very many pictures `python -m catdog.predict` writes a file.

    >>> from catdog.api import predict
    >>> first, *others = predict("model", ["pictures"], views="center")
    >>> len(others), first.name, first.error
    (19, 'pictures/train/cat.0.jpg', '')
    >>> first.class_name == max(first.probabilities, key=first.probabilities.get)
    True
    >>> round(sum(first.probabilities.values()), 3)
    1.0

    Args:
      model_dir: folder of a training run.
      paths: of pictures, of folders (read at any depth) and of zips.
      views, checkpoint, batch_size, precision, devices, max_pixels: the command's flags.

    Raises:
      UsageError: an argument that cannot be used as given, a path that is not there, or no
        checkpoint in `model_dir`.
      InputError: a zip that cannot be read.
      IntegrityError: the checkpoint is damaged.
      NumericError: the model gives NaN.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    config = checks.checked(
        PredictConfig(
            model_dir=str(model_dir),
            views=views,
            checkpoint=checkpoint,
            batch_size=batch_size,
            precision=precision,
            devices=tuple(devices),
            max_pixels=max_pixels,
        )
    )
    return _predictions(config, [str(path) for path in given])


def _predictions(config: PredictConfig, paths: list[str]) -> list[Prediction]:
    pictures.check_paths(paths)
    folder = cli.existing_folder(config.model_dir, "model_dir")
    found = checkpoints.find(folder, config.checkpoint)
    cli.import_tensorflow()
    from catdog import parts

    loaded = parts.load_model(found, devices=config.devices, precision_name=config.precision)
    with pictures.open_pictures(paths) as named:
        rows = _predict.predictions(
            loaded,
            named,
            batch_size=config.batch_size,
            views=config.views,
            max_pixels=config.max_pixels,
        )
        return [prediction for prediction, _ in rows]
