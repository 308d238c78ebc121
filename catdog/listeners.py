"""Who is told how a training run goes: journal, terminal, profiler; and what trouble leads to."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from catdog import cli, inquest, parts, schema, shards
from catdog.augmentations._augmentation import Augmentation
from catdog.config import TrainConfig
from catdog.data import pipeline, views
from catdog.errors import IntegrityError
from catdog.reports.narrator import Narrator
from catdog.training import anatomy, culprit, profiling
from catdog.training.chance import chance_level
from catdog.training.journal import Journal
from catdog.training.loop import Listeners
from catdog.training.progress import Extent
from catdog.training.stall import StallWatch

Records = list[dict[str, Any]]

_NAMED = 3  # pictures that a line on the terminal names; the files name them all


def listeners(
    config: TrainConfig,
    manifest: schema.Manifest,
    *,
    model: Any,
    start_step: int,
    extent: Extent,
    on_epoch: Callable[[Records], None],
) -> Listeners:
    """The listeners of the run that the config describes, which begins with `start_step`.

    Args:
      config: the settings.
      manifest: of the data set.
      model: what is trained.
      start_step, extent: of the run.
      on_epoch: one more that gets the records of all epochs.
    """
    model_dir = Path(config.model_dir)
    split = manifest.split(config.train_split)
    journal = Journal(model_dir, start_step=start_step)
    watch = _stall_watch(config, manifest, model)
    watch.recall(journal.steps())
    told: list[Any] = [
        Narrator(epochs=extent.epochs, steps_per_epoch=extent.steps_per_epoch),
        watch,
    ]
    if config.profile_steps:
        told.append(_profiler(config, extent))

    def on_not_finite(step: int, rate: float, losses: dict[int, float]) -> None:
        places = [shards.address(Path(config.data_dir), split, number) for number in losses]
        pictures = [
            {"id": number, "shard": place.file, "record": place.record, "key": place.key}
            | {"loss": loss}
            for place, (number, loss) in zip(places, losses.items(), strict=True)
        ]
        path = journal.write_not_finite(step, rate, sum(losses.values()), pictures)
        cli.say(f"step {step} was about {_named(places)}; {path} has all of its pictures")

    return Listeners(
        on_steps=_each(journal.write_steps, *[each.tell_steps for each in told]),
        on_epoch=_each(journal.write_epochs, *[each.tell_epoch for each in told], on_epoch),
        on_losses=journal.write_losses,
        on_bad_records=_bad_records_function(config, manifest),
        on_not_finite=on_not_finite,
        before_save=journal.sync,
    )


def _profiler(config: TrainConfig, extent: Extent) -> profiling.Profiler:
    first, last = profiling.parse(config.profile_steps)
    return profiling.Profiler(
        Path(config.model_dir) / "profile",
        first=first,
        last=last,
        steps_per_epoch=extent.steps_per_epoch,
        total_steps=extent.total_steps,
    )


def _stall_watch(config: TrainConfig, manifest: schema.Manifest, model: Any) -> StallWatch:
    split = manifest.split(config.train_split)
    made = parts.make_augmentations(
        config.augmentation,
        config.augmentation_option,
        model.image_size,
        manifest.statistics(config.train_split),
    )
    chance = chance_level(
        split.label_counts,
        label_smoothing=config.label_smoothing,
        class_weights=parts.class_weights(
            config.class_weights, manifest.class_names, split.label_counts
        ),
        mixes=any(type(each).mix is not Augmentation.mix for each in made),
    )

    def diagnose() -> str:
        # Not the batch that is due: starting there would read a second window of the order.
        slice_ = pipeline.Slice(anatomy.PICTURES)
        batches = pipeline.eval_dataset(
            Path(config.data_dir), manifest, config.train_split, slice_=slice_
        )
        batch = next(iter(batches))
        batch["images"] = views.center_crop(batch["images"], model.image_size)[0]
        batch["targets"] = tf.one_hot(batch["labels"], len(manifest.class_names))
        return culprit.verdict(anatomy.diagnose(model, batch))

    return StallWatch(chance, every_steps=config.stall_steps, diagnose=diagnose, say=cli.say)


def _each(*functions: Callable[[Records], None]) -> Callable[[Records], None]:
    def call(records: Records) -> None:
        for function in functions:
            function(records)

    return call


def _bad_records_function(
    config: TrainConfig, manifest: schema.Manifest
) -> Callable[[list[int]], None]:
    """Says which records could not be used, and ends the run when there are too many."""
    data_dir = Path(config.data_dir)
    told: set[int] = set()

    def on_bad_records(numbers: list[int]) -> None:
        new = [number for number in numbers if number not in told]
        told.update(new)
        problems = inquest.bad_records(data_dir, manifest, config.train_split, new)
        if len(numbers) > config.max_bad_records:
            error = inquest.error_of(problems, data_dir)
            limit = f"--max_bad_records={config.max_bad_records}"
            raise IntegrityError(f"{error}; {limit} is how many training may skip")
        for problem in problems:
            cli.say(f"warning: skipping {problem}")

    return on_bad_records


def _named(places: Sequence[shards.Place]) -> str:
    more = len(places) - _NAMED
    return ", ".join(map(str, places[:_NAMED])) + (f" and {more} more" if more > 0 else "")
