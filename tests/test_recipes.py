"""Each flag file under recipes/ names flags, parts and options that there are."""

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from absl import flags as absl_flags

from catdog import flags, parts, schema
from catdog.config import TrainConfig
from catdog.data.stages import stages

RECIPES = sorted(Path(__file__).resolve().parent.parent.glob("recipes/*.flags"))


def _config(recipe: Path) -> TrainConfig:
    """What the command line of a user would give."""
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string("flagfile", "", "", flag_values=values)
    flags.define(TrainConfig, values)
    line = ["train", f"--flagfile={recipe}", "--data_dir=d", "--model_dir=m"]
    values(values.read_flags_from_files(line, force_gnu=True))
    return flags.read(TrainConfig, values)


def test_there_are_recipes(repository: Path) -> None:
    assert "published" in {recipe.stem for recipe in RECIPES}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_the_parts_of_a_recipe_can_be_made(recipe: Path) -> None:
    config = _config(recipe)
    about: dict[str, Any] = {"name": config.model, "num_classes": 2, "mean": (1.0,) * 3}
    about |= {"std": (1.0,) * 3, "options": (*config.model_option, "width=0.02")}
    model = parts.make_model(about, seed=0, dtype="float32")
    statistics = schema.Statistics(mean=(1.0,) * 3, std=(1.0,) * 3, covariance=((1.0,) * 3,) * 3)
    augmentations = parts.make_augmentations(
        config.augmentation, config.augmentation_option, model.image_size, statistics
    )
    assert [type(part).__module__.rpartition(".")[2] for part in augmentations] == [
        *config.augmentation
    ]
    sizes = config.progressive_sizes
    for stage in stages(sizes, image_size=model.image_size, epochs=config.epochs):
        assert model(tf.zeros([1, stage.image_size, stage.image_size, 3], tf.uint8)).shape == (1, 2)
    parts.make_optimizer(config.optimizer, config.optimizer_option)
    parts.make_evaluator(config.evaluator, config.evaluator_option)
    schedule = parts.make_schedule(
        config.schedule,
        config.schedule_option,
        learning_rate=config.learning_rate,
        total_steps=config.epochs * 78,
        steps_per_epoch=78,
    )
    assert 0 < schedule.rate(39) <= config.learning_rate
