"""A checkpoint of version 1 is read for ever, and says what it said when it was made."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from catdog import parts
from catdog.data import pipeline, views
from catdog.training import distribution
from catdog.training.predict import Predictor

FOLDER = Path(__file__).parent / "checkpoint_v1"


def _pictures() -> list[bytes]:
    """Four pictures of integer formulas, as PNGs: no decoder can disagree about their pixels."""
    import tensorflow as tf

    rows, columns = np.mgrid[:256, :256]
    waves = [
        (rows * 3 + columns * 5) % 256,
        (rows * columns // 64) % 256,
        np.where((rows - 128) ** 2 + (columns - 128) ** 2 < 6400, 230, 40),
        np.where(columns // 16 % 2, 255, rows // 2),
    ]
    pixels = [np.stack([w, (w + rows // 3) % 256, 255 - w], axis=2) for w in waves]
    return [tf.io.encode_png(picture.astype(np.uint8)).numpy() for picture in pixels]


def _probabilities(loaded: parts.LoadedModel, views_name: str) -> NDArray[np.float32]:
    slice_ = distribution.slice_of(loaded.strategy, 4)
    predictor = Predictor(loaded.model, loaded.strategy, views.find(views_name))
    return predictor(
        lambda: pipeline.encoded_dataset(_pictures(), image_size=256, slice_=slice_),
        examples=4,
        batch_size=4,
    ).probabilities


@pytest.fixture(scope="module")
def loaded() -> parts.LoadedModel:
    """The model of the checkpoint."""
    return parts.load_model(FOLDER / "best-000007", devices=(), precision_name="float32")


def test_what_it_belongs_to_is_read(loaded: parts.LoadedModel) -> None:
    assert loaded.class_names == ("cat", "dog")
    preparation: dict[str, Any] = loaded.preparation
    assert (preparation["image_size"], preparation["resize"]) == (256, "squash")
    assert sum(int(np.prod(w.shape)) for w in loaded.model.trainable_variables) == 24_114


@pytest.mark.parametrize("views_name", ["center", "ten"])
def test_predictions_are_those_of_the_day_it_was_made(
    loaded: parts.LoadedModel, views_name: str
) -> None:
    expected = json.loads((FOLDER / "probabilities.json").read_text())[views_name]
    found = _probabilities(loaded, views_name)
    assert np.ptp(found[:, 0]) > 0.01, "the pictures must matter"
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
