"""The commands together: pictures in, a trained model, its scores and its predictions out."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from catdog import schema

TRAIN = [
    "--model_option=width=0.0625",
    "--precision=float32",
    "--batch_size=8",
    "--epochs=2",
    "--eval_batch_size=3",
    "--steps_per_call=2",
    "--learning_rate=0.005",
    "--final_views=center",
]
PICTURES = 30

Result = dict[str, Any]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command in this process; its result, once it has ended with `code`."""

    def run(module: str, *arguments: object, code: int = 0) -> Any:
        import importlib

        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", [module, *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            importlib.import_module(module).run()
        out, err = capsys.readouterr()
        assert stopped.value.code == code, err
        return json.loads(out.splitlines()[-1]) if out else err

    return run


def _command(module: str, *arguments: object) -> Result:
    """The result of a command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)], capture_output=True, timeout=600
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(done.stdout.splitlines()) == 1, "stdout holds the result and nothing else"
    return cast(Result, json.loads(done.stdout))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures, their records in `data`, and a model trained on them in `model`."""
    folder = tmp_path_factory.mktemp("mains")
    drawn = ("--pictures", PICTURES, "--broken=2")
    _command("data_tools.sample", "--output_dir", folder / "pictures", *drawn)
    _command(
        "data_tools.build_tfrecords",
        f"--source={folder / 'pictures'}",
        f"--output_dir={folder / 'data'}",
        "--splits=train=0.7,validation=0.3",
        "--num_shards=train=3,validation=2",
        "--workers=1",
    )
    flags = [f"--data_dir={folder / 'data'}", f"--model_dir={folder / 'model'}"]
    result = _command("catdog.train", *flags, *TRAIN)
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def test_training_ends_with_its_scores_and_leaves_its_files(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    assert result["epochs"] == 2
    assert result["best_epoch"] in (1, 2)
    assert (result["split"], result["views"]) == ("validation", "center")
    assert 0.0 <= result["accuracy"] <= 1.0
    assert result["log_loss"] > 0.0
    names = {path.name for path in (folder / "model").iterdir()}
    assert names == {
        ".lock",
        "checkpoints",
        "config.json",
        "flags.txt",
        "learning_card.md",
        "learning_curve.png",
        "learning_curve.svg",
        "losses",
        "metrics.jsonl",
        "summary.csv",
    }
    steps = [json.loads(line) for line in (folder / "model/metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in steps] == list(range(6))
    assert [record["examples"] for record in steps] == [8, 8, 6] * 2
    assert len((folder / "model/summary.csv").read_text().splitlines()) == 3
    assert "labels smoothed by 0.1" in (folder / "model/learning_curve.svg").read_text()


def test_without_a_validation_split_the_last_epoch_is_the_best_and_scores_other_pictures(
    folder: Path, tmp_path: Path, run: Any
) -> None:
    data = tmp_path / "all"
    source = (f"--source={folder / 'pictures'}", "--splits=train=1.0", "--workers=1")
    run("data_tools.build_tfrecords", *source, f"--output_dir={data}")
    flags = [f"--data_dir={data}", f"--model_dir={tmp_path / 'model'}", "--validation_split="]
    result = run("catdog.train", *flags, *TRAIN, "--progressive_sizes=99:1")
    assert (result["epochs"], result["best_epoch"]) == (2, 2)
    assert not (tmp_path / "model" / "learning_card.md").exists()
    other = [f"--data_dir={folder / 'data'}", f"--model_dir={tmp_path / 'model'}"]
    best = run("catdog.evaluate", *other, "--views=center")
    last = run("catdog.evaluate", *other, "--views=center", "--checkpoint=last")
    assert best["examples"] == 8
    assert best["log_loss"] == last["log_loss"]


def test_a_short_run_from_anothers_weights_with_every_training_flag(
    folder: Path, tmp_path: Path
) -> None:
    """Balanced, clipped, accumulated, averaged and profiled; scored by a top-k with an option."""
    flags = [f"--data_dir={folder / 'data'}", f"--model_dir={tmp_path}", *TRAIN]
    more = "--class_weights=balanced --clip_norm=1 --accumulate_steps=2 --ema_decay=0.9"
    chosen = "--optimizer=adamw --schedule=one_cycle --evaluator=top_k --evaluator_option=k=1"
    short = f"--limit_steps=5 --profile_steps=1:4 --validate_every=2 --init_from={folder / 'model'}"
    result = _command("catdog.train", *flags, *f"{more} {chosen} {short}".split())
    assert result["epochs"] == 2
    assert result["top_k"] == result["accuracy"], "k = 1 is accuracy"
    steps = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [record["step"] for record in steps] == list(range(5))
    # The first loss of a model that has learned is not the ln 2 of one that has not.
    assert abs(steps[0]["cross_entropy"] - np.log(2)) > 1e-3
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))


def test_evaluation_repeats_the_scores_of_training(folder: Path, run: Any) -> None:
    trained = json.loads((folder / "result.json").read_text())
    flags = [f"--data_dir={folder / 'data'}", f"--model_dir={folder / 'model'}"]
    options = ("--views=center", "--precision=float32", "--batch_size=3")
    found = run("catdog.evaluate", *flags, *options)
    assert found["examples"] == 8
    for name in ("split", "views", "accuracy", "log_loss", "checkpoint"):
        assert found[name] == trained[name], name
    larger = run("catdog.evaluate", *flags, "--views=center", "--precision=float32")
    assert larger["log_loss"] == pytest.approx(trained["log_loss"], abs=1e-5)
    last = run("catdog.evaluate", *flags, "--checkpoint=last", "--split=train")
    assert (last["examples"], last["views"]) == (22, "ten")
    assert Path(last["checkpoint"]).name == "last-000006"  # 2 epochs of 3 steps


def _keys(data_dir: Path, split: schema.Split) -> list[str]:
    """The sources of the split's records, in the order of their ids."""
    import tensorflow as tf

    files = [str(data_dir / shard.file) for shard in split.shards]
    records = tf.data.TFRecordDataset(files).map(schema.parse)
    return [record["key"].numpy().decode() for record in records]


def _of_records(loaded: Any, data_dir: Path, manifest: schema.Manifest) -> NDArray[np.float32]:
    from catdog.data import pipeline, views
    from catdog.training import distribution
    from catdog.training.predict import Predictor

    slice_ = distribution.slice_of(loaded.strategy, 3)
    return Predictor(loaded.model, loaded.strategy, views.ten_crop)(
        lambda: pipeline.eval_dataset(data_dir, manifest, "validation", slice_=slice_),
        examples=manifest.split("validation").examples,
        batch_size=3,
    ).probabilities


def test_predictions_of_source_pictures_equal_those_of_their_records(folder: Path) -> None:
    from catdog import parts, pictures, predict
    from catdog.training import checkpoints

    data_dir = folder / "data"
    manifest = schema.read_manifest(data_dir)
    keys = _keys(data_dir, manifest.split("validation"))
    best = checkpoints.find(folder / "model", "best")
    loaded = parts.load_model(best, devices=(), precision_name="float32")
    paths = [str(folder / "pictures" / key) for key in keys]
    with pictures.open_pictures(paths) as named:
        options = {"batch_size": 3, "views": "ten", "max_pixels": 50_000_000}
        rows = [row for row, _ in predict.predictions(loaded, named, **options)]
    assert [(row.name, row.error) for row in rows] == [(path, "") for path in paths]
    found = np.array([list(row.probabilities.values()) for row in rows], np.float32)
    np.testing.assert_array_equal(found, _of_records(loaded, data_dir, manifest))
    assert len(np.unique(found)) > 4, "the pictures must matter"


def test_predict_writes_a_row_for_each_picture_also_for_the_broken(
    folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "predictions.csv"
    model = f"--model_dir={folder / 'model'}"
    result = _command("catdog.predict", model, f"--output_file={output}", folder / "pictures")
    assert (result["pictures"], result["rejected"]) == (PICTURES, 2)
    assert sum(result["classes"].values()) == PICTURES
    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "class", "probability", "cat", "dog", "error", "truth"]
    assert [row["file"] for row in rows] == sorted(row["file"] for row in rows)
    broken = [row for row in rows if row["error"]]
    assert len(broken) == 2
    assert {row["class"] for row in broken} == {""}
    assert all(Path(row["file"]).name.startswith(f"{row['truth']}.") for row in rows)
    right = sum(row["class"] == row["truth"] for row in rows)
    assert (result["known"], result["correct"]) == (PICTURES, right)
    assert result["accuracy"] == right / PICTURES
    for row in rows:
        if not row["error"]:
            assert float(row["cat"]) + float(row["dog"]) == pytest.approx(1.0, abs=2e-6)
            assert row["class"] == max(("cat", "dog"), key=lambda name: float(row[name]))
            assert row["probability"] == row[row["class"]]


def test_predict_reads_files_and_zips_alike(folder: Path, tmp_path: Path, run: Any) -> None:
    import zipfile

    picture = next((folder / "pictures").rglob("dog.0.jpg"))
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.write(picture, "deep/=dog.JPG")
        archive.writestr("deep/notes.txt", "no picture")
    output = tmp_path / "out.csv"
    paths = (picture, tmp_path / "some.zip")
    flags = (f"--model_dir={folder / 'model'}", f"--output_file={output}", "--views=center")
    result = run("catdog.predict", *flags, *paths)
    assert (result["pictures"], result["rejected"]) == (2, 0)
    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[1]["file"] == f"{tmp_path / 'some.zip'}/deep/=dog.JPG"
    # The zip's member is called =dog.JPG, which tells no class.
    assert (rows[0]["truth"], rows[1]["truth"], result["known"]) == ("dog", "", 1)
    same = {"file": "", "truth": ""}
    assert rows[0] | same == rows[1] | same


def _final_variables(model_dir: Path) -> dict[str, NDArray[np.float32]]:
    import tensorflow as tf

    from catdog.training import checkpoints

    last = checkpoints.find(model_dir, "last")
    reader = tf.train.load_checkpoint(str(last / "variables"))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.startswith("variables/")
    }


@pytest.mark.parametrize("when", ["after the first epoch", "in the second epoch"])
def test_a_killed_and_resumed_training_equals_the_undisturbed_one(
    folder: Path, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    from catdog.reports import curves
    from catdog.training.journal import Journal

    model_dir = tmp_path / "model"
    flags = [f"--data_dir={folder / 'data'}", f"--model_dir={model_dir}", *TRAIN]
    write_steps = Journal.write_steps

    def kill(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    def kill_late(journal: Journal, records: list[Result]) -> None:
        write_steps(journal, records)
        if records[-1]["step"] >= 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if when == "after the first epoch":
            patch.setattr(curves, "write_learning_curve", kill)
        else:
            patch.setattr(Journal, "write_steps", kill_late)
        run("catdog.train", *flags, code=130)
    result = run("catdog.train", *flags)
    undisturbed = json.loads((folder / "result.json").read_text())
    for name in ("best_epoch", "accuracy", "log_loss"):
        assert result[name] == undisturbed[name], name
    for name, value in _final_variables(folder / "model").items():
        np.testing.assert_array_equal(_final_variables(model_dir)[name], value, err_msg=name)
    metrics = [(path / "metrics.jsonl").read_text() for path in (model_dir, folder / "model")]
    assert metrics[0] == metrics[1]
    summaries = [(path / "summary.csv").read_text() for path in (model_dir, folder / "model")]
    assert [text.count("\n") for text in summaries] == [3, 3]


def test_a_finished_run_started_again_gives_its_scores(folder: Path, run: Any) -> None:
    flags = [f"--flagfile={folder / 'model/flags.txt'}"]
    result = run("catdog.train", *flags)
    undisturbed = json.loads((folder / "result.json").read_text())
    assert {**result, "peak_memory_mb": 0} == {**undisturbed, "peak_memory_mb": 0}
