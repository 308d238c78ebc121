"""What does not go together is refused, or told, before anything is computed."""

import dataclasses
from typing import Any

import pytest

from catdog import agreement, parts, schema
from catdog.errors import MismatchError, UsageError


@pytest.fixture
def manifest(tiny_data: Any) -> schema.Manifest:
    return schema.read_manifest(tiny_data({"train": 4}, shards=1))


def with_counts(manifest: schema.Manifest, *counts: int) -> schema.Manifest:
    split = dataclasses.replace(manifest.splits["train"], label_counts=counts)
    names = tuple("abcdefgh"[: len(counts)])
    return dataclasses.replace(manifest, class_names=names, splits={"train": split})


def test_classes_are_matched_by_name() -> None:
    assert agreement.same_classes(["cat", "dog"], ["dog", "cat"]) == [1, 0]
    with pytest.raises(MismatchError, match="choose a data set of these classes"):
        agreement.same_classes(["cat", "dog"], ["cat", "fox"])
    with pytest.raises(MismatchError, match="knows the classes cat, dog"):
        agreement.same_classes(["cat", "dog"], ["cat", "dog", "fox"])


def test_pictures_smaller_than_the_models_are_refused_and_much_larger_ones_told(
    manifest: schema.Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    description = {"name": "alexnet", "options": ["width=0.02"], "num_classes": 2}
    scaling = {"mean": [1.0] * 3, "std": [1.0] * 3}
    model = parts.make_model(description | scaling, seed=0, dtype="float32")
    agreement.check_image_size(model, manifest)
    manifest.preparation["image_size"] = 226
    with pytest.raises(MismatchError, match="at least 227 pixels, the data set has 226"):
        agreement.check_image_size(model, manifest)
    assert not capsys.readouterr().err
    manifest.preparation["image_size"] = 512
    agreement.check_image_size(model, manifest)
    assert "a view shows 44 % of a picture's side, 227 of 512 pixels" in capsys.readouterr().err


def test_pictures_that_were_made_in_another_way_are_told(
    manifest: schema.Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    agreement.tell_of_preparation(dict(manifest.preparation), manifest)
    assert not capsys.readouterr().err
    agreement.tell_of_preparation({"image_size": 300, "resize": "crop"}, manifest)
    told = capsys.readouterr().err
    assert "with --image_size=300, these have 256" in told
    assert "with --resize=crop, these have squash" in told


@pytest.mark.parametrize(
    ("name", "options", "counts", "says"),
    [
        ("auc", (), (3, 0), "--evaluator=auc has no value"),
        ("f1", ("average=binary",), (3, 2, 5), "average=binary needs 2 classes, received 3"),
    ],
)
def test_an_evaluator_that_can_have_no_value_is_refused(
    manifest: schema.Manifest, name: str, options: tuple[str, ...], counts: Any, says: str
) -> None:
    evaluator = parts.make_evaluator(name, options)
    with pytest.raises(UsageError, match=says):
        agreement.check_evaluator(evaluator, name, with_counts(manifest, *counts), "train")
    agreement.check_evaluator(evaluator, name, with_counts(manifest, 1, 1), "train")
    agreement.check_evaluator(evaluator, name, with_counts(manifest, *counts), "")


@pytest.mark.parametrize("counts", [(1, 0), (5, 5), (1, 1, 1), (7, 0, 1000, 2)])
@pytest.mark.parametrize("name", ["accuracy", "log_loss", "top_k", "balanced_accuracy", "f1"])
def test_the_others_have_one(manifest: schema.Manifest, name: str, counts: Any) -> None:
    agreement.check_evaluator(
        parts.make_evaluator(name), name, with_counts(manifest, *counts), "train"
    )
