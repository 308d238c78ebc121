"""What a run is fed with: the batches of its stages, from any step on."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from catdog import parts, schema
from catdog.config import TrainConfig
from catdog.data import pipeline
from catdog.data.stages import stage_of, stages
from catdog.errors import UsageError
from catdog.training import distribution
from catdog.training.progress import Extent


@dataclasses.dataclass(frozen=True)
class Feed:
    """The training batches of a run.

    Attributes:
      make_iterator: batches from a given step of the run on, to the end of its stage.
      new_stages: the epochs, from 0, that need another iterator.
    """

    make_iterator: Callable[[int], Iterator[Any]]
    new_stages: frozenset[int]


def feed(
    config: TrainConfig, manifest: schema.Manifest, model: Any, strategy: Any, extent: Extent
) -> Feed:
    """The batches of the run that the config describes.

    Raises:
      UsageError: stages that do not fit the run, the model or the stored pictures.
    """
    slice_ = distribution.slice_of(strategy, config.batch_size)
    planned = stages(config.progressive_sizes, image_size=model.image_size, epochs=config.epochs)
    for stage in planned:
        _check_size(stage.image_size, model, manifest)
    augmentations = {
        stage.image_size: parts.make_augmentations(
            config.augmentation,
            config.augmentation_option,
            stage.image_size,
            manifest.statistics(config.train_split),
        )
        for stage in planned
    }

    def make_iterator(start_step: int) -> Iterator[Any]:
        stage = stage_of(planned, start_step // extent.steps_per_epoch)
        return distribution.distributed_iterator(
            strategy,
            lambda: pipeline.train_dataset(
                Path(config.data_dir),
                manifest,
                config.train_split,
                slice_=slice_,
                augmentations=augmentations[stage.image_size],
                seed=config.seed,
                epochs=stage.end,
                start_step=start_step,
                window_bytes=config.shuffle_window_mb << 20,
                reader_threads=config.reader_threads,
                # Who allows bad records has a shard that is not what was built.
                check_contents=not config.max_bad_records,
            ),
        )

    return Feed(make_iterator, frozenset(stage.first for stage in planned[1:]))


def _check_size(size: int, model: Any, manifest: schema.Manifest) -> None:
    if size > manifest.image_size:
        raise UsageError(
            f"--progressive_sizes has pictures of {size} pixels, those of the data set have "
            f"{manifest.image_size}"
        )
    if size == model.image_size:
        return
    try:
        model(tf.zeros([1, size, size, 3], tf.uint8))
    except (ValueError, tf.errors.OpError) as error:  # which one depends on the kernel
        raise UsageError(
            f"the model cannot take pictures of {size} pixels, as --progressive_sizes asks for; "
            "choose larger ones"
        ) from error
