"""Three classes, one with a space and one with other letters: every command, nothing changed."""

import io
import json
import random
import types
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from catdog import evaluate, predict, schema, train
from catdog.config import EvaluateConfig, PredictConfig, TrainConfig
from data_tools import build_tfrecords
from data_tools.config import BuildConfig

CLASSES = ("blue ring", "grün", "red")
EACH = 8


def _picture(kind: str, number: int) -> Image.Image:
    """A red square, a green stripe or a blue ring on gray, in portrait or landscape."""
    rng = random.Random(f"{kind} {number}")
    size = (90, 120) if number % 2 else (120, 80)
    picture = Image.new("RGB", size, (rng.randrange(80, 180),) * 3)
    draw = ImageDraw.Draw(picture)
    left, top = rng.randrange(30), rng.randrange(30)
    if kind == "red":
        draw.rectangle((left, top, left + 45, top + 45), (220, 30, 30))
    elif kind == "blue ring":
        draw.ellipse((left, top, left + 50, top + 50), outline=(30, 30, 220), width=9)
    else:
        draw.line((left, 0, left + 40, size[1]), (30, 200, 30), width=15)
    return picture


Results = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn pictures, in one folder a class."""
    folder = tmp_path_factory.mktemp("three")
    for kind in CLASSES:
        (folder / "pictures" / kind).mkdir(parents=True)
        for number in range(EACH):
            _picture(kind, number).save(folder / "pictures" / kind / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    """What each command gives, one after the other."""
    data, model = str(folder / "data"), str(folder / "model")
    build = BuildConfig(source=str(folder / "pictures"), output_dir=data, workers=1)
    small = {"batch_size": 8, "precision": "float32"}
    training = TrainConfig(
        data, model, model_option=("width=0.03",), epochs=2, final_views="center", **small
    )
    scores = ("accuracy", "log_loss", "top_k", "auc")
    names = {"evaluators": scores, "evaluator_option": ("top_k.k=2",)}
    found = {
        "build": build_tfrecords.main(build),
        "train": train.main(training),
        "evaluate": evaluate.main(EvaluateConfig(data, model, views="center", **small, **names)),
    }
    with pytest.MonkeyPatch.context() as patch:
        lines = f"{folder / 'pictures'}\n{folder / 'gone.png'}\n".encode()
        patch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(lines)))
        settings = {"output_file": str(folder / "out.jsonl"), "gallery": str(folder / "g.png")}
        found["predict"] = predict.main(
            PredictConfig(model, views="center", gallery_pictures=9, **settings, **small), ["-"]
        )
    return found


def test_the_records_know_three_classes_by_name(folder: Path, results: Results) -> None:
    assert results["build"]["kept"] == 3 * EACH
    manifest = schema.read_manifest(folder / "data")
    assert tuple(manifest.class_names) == CLASSES
    assert sum(results["build"]["splits"].values()) == 3 * EACH


def test_training_and_evaluation_give_the_same_scores(results: Results) -> None:
    trained, evaluated = results["train"], results["evaluate"]
    for name in ("accuracy", "log_loss", "examples", "checkpoint"):
        assert trained[name] == evaluated[name], name
    assert evaluated["accuracy"] <= evaluated["top_k"] <= 1
    assert 0 <= evaluated["auc"] <= 1


def test_every_picture_has_a_line_with_its_three_classes(folder: Path, results: Results) -> None:
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    *sound, gone = rows
    assert gone["file"] == str(folder / "gone.png")
    assert (gone["class"], gone["error"]) == (None, "there is no such file or folder")
    assert [row["file"] for row in sound] == [
        str(folder / "pictures" / kind / f"{number}.png")
        for kind in CLASSES
        for number in range(EACH)
    ]
    assert [row["truth"] for row in sound] == [kind for kind in CLASSES for _ in range(EACH)]
    for row in sound:
        assert sorted(entry["class"] for entry in row["classes"]) == sorted(CLASSES)
        numbers = [entry["probability"] for entry in row["classes"]]
        assert numbers == sorted(numbers, reverse=True)
        assert sum(numbers) == pytest.approx(1.0, abs=3e-6)
        assert (row["class"], row["probability"]) == (row["classes"][0]["class"], numbers[0])


def test_the_result_counts_what_the_lines_say(folder: Path, results: Results) -> None:
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    correct = sum(row["class"] == row["truth"] for row in rows[:-1])
    assert results["predict"] == {
        "pictures": 3 * EACH,
        "rejected": 1,
        "classes": {kind: sum(row["class"] == kind for row in rows) for kind in CLASSES},
        "known": 3 * EACH,
        "correct": correct,
        "accuracy": correct / (3 * EACH),
        "output_file": str(folder / "out.jsonl"),
        "gallery": str(folder / "g.png"),
    }


def test_the_gallery_has_three_rows_of_three(folder: Path, results: Results) -> None:
    assert not list(folder.glob(".*.partial"))
    with Image.open(folder / "g.png") as picture:
        picture.load()
        assert picture.format == "PNG"
        # Margins of 20, frames of 236, gaps of 14.
        assert picture.width == 2 * 20 + 3 * 236 + 2 * 14
        assert picture.height > 3 * 236


def test_a_score_without_a_value_is_none(
    folder: Path, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    from catdog.evaluators.auc import Auc

    monkeypatch.setattr(Auc, "score", lambda self, labels, probabilities: float("nan"))
    config = EvaluateConfig(
        str(folder / "data"), str(folder / "model"), views="center", evaluators=("auc",)
    )
    found = evaluate.main(config)
    assert found["auc"] is None
    json.dumps(found, allow_nan=False)
