"""An evaluation of damaged records names the record; it never scores fewer of them in silence."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from catdog import api, parts, schema
from catdog.data import pipeline, views
from catdog.errors import IntegrityError
from catdog.training import distribution
from catdog.training.predict import Predictor, UnusableRecords

Sets = Callable[[str], tuple[Path, schema.Shard]]


class Mean:
    """A stand-in for a model: brightness left and right."""

    image_size = 227

    def __call__(self, images: Any) -> Any:
        columns = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 3])
        return tf.stack([columns[:, 0], columns[:, -1]], axis=1)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(Mean(), distribution.make_strategy(("CPU:0",)), views.center_crop)


@pytest.fixture
def damaged(
    tiny_data: Callable[..., Path], tmp_path: Path, shard_damages: dict[str, Any], frames_of: Any
) -> Sets:
    def make(kind: str) -> tuple[Path, schema.Shard]:
        folder = shutil.copytree(tiny_data({"validation": 12}, shards=2), tmp_path / "data")
        other = tiny_data({"train": 11}, shards=1)
        (other_shard,) = schema.read_manifest(other).split("train").shards
        shards = schema.read_manifest(folder).split("validation").shards
        shard = max(shards, key=lambda one: one.examples)
        path = folder / shard.file
        others = frames_of((other / other_shard.file).read_bytes())
        content = shard_damages[kind].change(frames_of(path.read_bytes()), others)
        path.unlink() if content is None else path.write_bytes(content)
        return folder, shard

    return make


def test_damage_stops_an_evaluation_with_its_place(
    damaged: Sets, shard_damages: dict[str, Any], predictor: Predictor, damage_kind: str
) -> None:
    folder, shard = damaged(damage_kind)
    manifest = schema.read_manifest(folder)
    with pytest.raises(IntegrityError) as raised:
        parts.predict_split(predictor, folder, manifest, "validation", slice_=pipeline.Slice(4))
    number = shard_damages[damage_kind].record(shard.examples)
    said = str(raised.value)
    assert f"damaged records in {folder}: {shard.file}" in said
    assert len(said.splitlines()) == 1
    # Without a list of the keys nobody knows which of the two records of a swap was where, nor
    # which shard is the right one.
    if number is not None and damage_kind not in ("two records swapped", "another build's shard"):
        assert f"record {number}" in said
    assert "verify_tfrecords --data_dir=" in said


def test_sound_records_are_all_scored(tiny_data: Callable[..., Path], predictor: Predictor) -> None:
    folder = tiny_data({"validation": 12}, shards=2)
    manifest = schema.read_manifest(folder)
    found = parts.predict_split(predictor, folder, manifest, "validation", slice_=pipeline.Slice(5))
    assert len(found.labels) == 12
    assert (found.probabilities.argmax(1) == found.labels).all()


def test_a_predictor_names_the_examples_that_it_could_not_use(
    damaged: Sets, predictor: Predictor
) -> None:
    folder, shard = damaged("a broken JPEG")
    manifest = schema.read_manifest(folder)
    shards = manifest.split("validation").shards
    number = 2 + sum(one.examples for one in shards[: shards.index(shard)])
    with pytest.raises(UnusableRecords, match=f"examples {number} cannot be used") as raised:
        predictor(
            lambda: pipeline.eval_dataset(folder, manifest, "validation", slice_=pipeline.Slice(4)),
            examples=12,
            batch_size=4,
        )
    assert raised.value.examples == [number]


@pytest.mark.parametrize("call", [api.dataset, api.training_dataset])
def test_a_keras_data_set_ends_at_a_record_that_cannot_be_used(
    damaged: Sets, tmp_path: Path, call: Callable[..., tf.data.Dataset]
) -> None:
    folder, shard = damaged("a label that is no class")
    # the size is that of the manifest, so that nothing is noticed before the record comes
    assert os.path.getsize(folder / shard.file) == shard.bytes
    with pytest.raises(tf.errors.InvalidArgumentError, match="damaged records, python -m data_"):
        list(call(folder, "validation", batch_size=4))
