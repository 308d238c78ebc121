"""A user's mistake ends with its exit code and one line that says what to do, never a traceback."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from catdog import files

BUILD, SAMPLE = "data_tools.build_tfrecords", "data_tools.sample"
TRAIN, EVALUATE, PREDICT = "catdog.train", "catdog.evaluate", "catdog.predict"

SMALL = ["--model_option=width=0.02", "--precision=float32", "--epochs=1", "--final_views=center"]

# name: (command, arguments, exit code, words of the line). {…} are the folders of `places`.
Mistake = tuple[str, str, int, str]
TO_BUILD = "--source={pictures} --output_dir={new}"
TO_TRAIN = "--data_dir={data} --model_dir={new} --model_option=width=0.02"
TO_EVALUATE = "--data_dir={data} --model_dir={model}"
TO_PREDICT = "--model_dir={model} --output_file={tmp}/p.csv"
MISTAKES: dict[str, Mistake] = {
    # building
    "no flags": (BUILD, "", 2, "--source is required"),
    "misspelt flag": (BUILD, TO_BUILD + " --spilts=test=1", 2, "Did you mean: splits"),
    "unknown layout": (BUILD, TO_BUILD + " --layout=kagle", 2, "did you mean 'kaggle'"),
    "unknown resize": (BUILD, TO_BUILD + " --resize=strech", 2, "squash"),
    "splits that do not add up": (BUILD, TO_BUILD + " --splits=a=0.5,b=0.2", 2, "add up to 1"),
    "split without a size": (BUILD, TO_BUILD + " --splits=train", 2, "NAME="),
    "output not empty": (BUILD, "--source={pictures} --output_dir={data}", 5, "name a new folder"),
    "output is a file": (BUILD, "--source={pictures} --output_dir={file}", 2, "name a new folder"),
    "source missing": (BUILD, "--source={new} --output_dir={new}x", 3, "give a folder or a zip"),
    "source is no zip": (BUILD, "--source={file} --output_dir={new}", 3, "give one of the two"),
    "source empty": (BUILD, "--source={empty} --output_dir={new}", 3, "fits no layout"),
    "one class": (BUILD, "--source={one_class} --output_dir={new}", 3, "class"),
    "wrong class names": (BUILD, TO_BUILD + " --classes=cat,fox", 3, "choose with --classes"),
    "too large a sample": (BUILD, TO_BUILD + " --sample_size=5000", 2, "sample_size"),
    "no more rejects": (BUILD, TO_BUILD + " --max_rejects=0", 3, "mend the source or allow more"),
    "sample into a full folder": (SAMPLE, "--output_dir={pictures}", 2, "choose another folder"),
    # training
    "data_dir missing": (TRAIN, "--data_dir={new} --model_dir={new}x", 2, "existing folder"),
    "no manifest": (TRAIN, "--data_dir={empty} --model_dir={new}", 3, "build_tfrecords first"),
    "newer records": (TRAIN, "--data_dir={newer} --model_dir={new}", 5, "update catdog"),
    "model_dir is a file": (TRAIN, "--data_dir={data} --model_dir={file}", 2, "a file is where"),
    "stray argument": (TRAIN, TO_TRAIN + " fast", 2, "--name=value"),
    "flag file missing": (TRAIN, "--flagfile={new}", 2, "flagfile"),
    "number misspelt": (TRAIN, TO_TRAIN + " --epochs=ten", 2, "epochs"),
    "number out of range": (TRAIN, TO_TRAIN + " --epochs=0", 2, "positive integer"),
    "unknown model": (TRAIN, TO_TRAIN + " --model=alexnt", 2, "did you mean 'alexnet'"),
    "unknown optimizer": (TRAIN, TO_TRAIN + " --optimizer=sgd", 2, "choose from"),
    "unknown schedule": (TRAIN, TO_TRAIN + " --schedule=cosin", 2, "did you mean 'cosine'"),
    "unknown evaluator": (TRAIN, TO_TRAIN + " --evaluator=logloss", 2, "log_loss"),
    "unknown augmentation": (TRAIN, TO_TRAIN + " --augmentation=crop", 2, "choose from"),
    "no augmentation": (TRAIN, TO_TRAIN + " --augmentation=", 2, "at least one"),
    "unknown option": (TRAIN, TO_TRAIN + " --model_option=widht=1", 2, "its options: variant"),
    "option of a wrong type": (TRAIN, TO_TRAIN + " --model_option=width=wide", 2, "type float"),
    "option out of range": (TRAIN, TO_TRAIN + " --model_option=variant=best", 2, "published"),
    "option without value": (TRAIN, TO_TRAIN + " --schedule_option=warmup", 2, "key=value"),
    "unknown split": (TRAIN, TO_TRAIN + " --validation_split=test", 2, "with --validation_split= "),
    "no split to train on": (TRAIN, TO_TRAIN + " --train_split=all", 2, "train, validation"),
    "unknown device": (TRAIN, TO_TRAIN + " --devices=GPU:7", 2, "--devices takes CPU:0"),
    "sizes of no stage": (TRAIN, TO_TRAIN + " --progressive_sizes=131", 2, "SIDE:EPOCHS"),
    "size too small": (TRAIN, TO_TRAIN + " --progressive_sizes=32:1", 2, "choose larger ones"),
    "no epoch left": (TRAIN, TO_TRAIN + " --progressive_sizes=99:16", 2, "leave at least one"),
    "plateau of some epochs": (
        TRAIN, TO_TRAIN + " --schedule=plateau --validate_every=2", 2, "of every epoch",
    ),
    "shard cut": (TRAIN, "--data_dir={cut} --model_dir={new}", 4, "rebuild it"),
    "shard missing": (TRAIN, "--data_dir={lost} --model_dir={new}", 4, "is missing"),
    "resume with other flags": (
        TRAIN, TO_EVALUATE + " --model_option=width=0.03", 5, "use the same data and flags",
    ),
    "resume on other records": (
        TRAIN, "--data_dir={renamed} --model_dir={model}", 5, "data_fingerprint",
    ),
    "resume not wanted": (TRAIN, TO_EVALUATE + " --resume=never", 2, "choose a new one"),
    "pictures too small": (TRAIN, "--data_dir={small} --model_dir={new}", 5, "--image_size=256"),
    # evaluating
    "model_dir missing": (EVALUATE, "--data_dir={data} --model_dir={new}", 2, "existing folder"),
    "no checkpoint": (EVALUATE, "--data_dir={data} --model_dir={empty}", 2, "train there first"),
    "unknown checkpoint": (EVALUATE, TO_EVALUATE + " --checkpoint=newest", 2, "best, last or"),
    "no such split": (EVALUATE, TO_EVALUATE + " --split=test", 2, "train, validation"),
    "unknown views": (EVALUATE, TO_EVALUATE + " --views=five", 2, "center"),
    "no evaluator": (EVALUATE, TO_EVALUATE + " --evaluators=", 2, "at least one name"),
    "unknown score": (EVALUATE, TO_EVALUATE + " --evaluators=acuracy", 2, "'accuracy'"),
    "option of no score": (EVALUATE, TO_EVALUATE + " --evaluator_option=top_k.k=3", 2, "log_loss"),
    "unknown option of a score": (
        EVALUATE, TO_EVALUATE + " --evaluator_option=accuracy.k=3", 2, "no option 'k'",
    ),
    "other classes": (EVALUATE, "--data_dir={renamed} --model_dir={model}", 5, "of these classes"),
    "checkpoint damaged": (EVALUATE, "--data_dir={data} --model_dir={damaged}", 4, "use an older"),
    # predicting
    "nothing to predict": (PREDICT, TO_PREDICT, 2, "give paths"),
    "no such picture": (PREDICT, TO_PREDICT + " {new}.jpg", 2, "give paths"),
    "no pictures in it": (PREDICT, TO_PREDICT + " {empty}", 3, "names of pictures end in"),
    "a zip that is none": (PREDICT, TO_PREDICT + " {bad_zip}", 3, "pack it again"),
    "no model to predict with": (PREDICT, "--model_dir={empty} {file}", 2, "train there first"),
    "output folder missing": (
        PREDICT, "--model_dir={model} --output_file={new}/p.csv {file}", 2, "existing folder",
    ),
    "output is a folder": (
        PREDICT, "--model_dir={model} --output_file={empty} {file}", 2, "must name a file",
    ),
    "output of an unknown kind": (
        PREDICT, "--model_dir={model} --output_file={tmp}/p.txt {file}", 2, ".csv or .jsonl",
    ),
    "gallery of no PNG": (PREDICT, TO_PREDICT + " --gallery={tmp}/g.jpg {file}", 2, "in .png"),
    "unknown truth": (PREDICT, TO_PREDICT + " --truth=yes {file}", 2, "auto"),
}  # fmt: skip
IN_A_PROCESS = ("misspelt flag", "source empty", "unknown model")


def _ended(module: str, arguments: list[str]) -> int:
    """The exit code of a command that is run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [module, *arguments])
        with pytest.raises(SystemExit) as stopped:
            importlib.import_module(module).run()
    return int(stopped.value.code or 0)


def _build(folder: Path, source: str, output: str, *flags: str) -> None:
    arguments = [f"--source={folder / source}", f"--output_dir={folder / output}", "--workers=1"]
    assert _ended(BUILD, [*arguments, "--num_shards=train=2,validation=1", *flags]) == 0


def _change_manifest(data_dir: Path, key: str, value: object) -> None:
    manifest = json.loads((data_dir / "manifest.json").read_text())
    manifest[key] = value
    (data_dir / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Folders by name: what a user has who does nothing wrong, and what one has who does."""
    root = tmp_path_factory.mktemp("mistakes")
    assert _ended(SAMPLE, [f"--output_dir={root / 'pictures'}", "--pictures=16", "--broken=1"]) == 0
    _build(root, "pictures", "data")
    _build(root, "pictures", "small", "--image_size=64")
    assert (
        _ended(TRAIN, [f"--data_dir={root / 'data'}", f"--model_dir={root / 'model'}", *SMALL]) == 0
    )
    for name in ("empty", "one_class"):
        (root / name).mkdir()
    for cat in (root / "pictures").rglob("cat.*.jpg"):
        shutil.copy(cat, root / "one_class")
    for name in ("renamed", "newer", "cut", "lost"):
        shutil.copytree(root / "data", root / name)
    _change_manifest(root / "renamed", "class_names", ["fox", "owl"])
    _change_manifest(root / "newer", "schema_version", 2)
    shard = "catdog-train.tfrecord-00001-of-00002"
    (root / "cut" / shard).write_bytes((root / "data" / shard).read_bytes()[:-100])
    (root / "lost" / shard).unlink()
    shutil.copytree(root / "model", root / "damaged")
    (data,) = (root / "damaged/checkpoints").glob("best-*/variables.data*")
    data.write_bytes(data.read_bytes()[:-100])
    (root / "file").write_text("no picture\n")
    (root / "bad.zip").write_text("no zip\n")
    found = {path.name: str(path) for path in root.iterdir()}
    return found | {"bad_zip": str(root / "bad.zip")}


def _arguments(places: dict[str, str], template: str, tmp_path: Path) -> list[str]:
    known = places | {"tmp": str(tmp_path), "new": str(tmp_path / "new")}
    return [argument.format_map(known) for argument in template.split()]


def _check(code: int, out: str, err: str, mistake: Mistake) -> None:
    _, _, expected, words = mistake
    assert "Traceback" not in err, err
    assert code == expected, err
    last = err.splitlines()[-1]
    assert last.startswith("error: ")
    assert err.count("error: ") == 1
    assert words in last, last
    assert not out, "a command that failed has no result"


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_explained_in_one_line(
    name: str, places: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module, template, _, _ = mistake = MISTAKES[name]
    capsys.readouterr()
    code = _ended(module, _arguments(places, template, tmp_path))
    _check(code, *capsys.readouterr(), mistake)
    if code == 2:
        assert not (tmp_path / "new").exists(), "a wrong flag leaves nothing behind"


@pytest.mark.parametrize("name", IN_A_PROCESS)
def test_it_is_so_for_a_process_too(name: str, places: dict[str, str], tmp_path: Path) -> None:
    module, template, _, _ = mistake = MISTAKES[name]
    done = subprocess.run(
        [sys.executable, "-m", module, *_arguments(places, template, tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    _check(done.returncode, done.stdout, done.stderr, mistake)


def test_a_second_job_in_one_folder_is_told_to_wait(
    places: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [f"--data_dir={places['data']}", f"--model_dir={tmp_path}"]
    capsys.readouterr()
    with files.lock(tmp_path / ".lock", "the first job's folder"):
        code = _ended(TRAIN, arguments)
    _check(code, *capsys.readouterr(), (TRAIN, "", 8, "wait for it or choose another folder"))


def test_a_mistake_leaves_no_checkpoint_and_no_output(places: dict[str, str]) -> None:
    names = [path.name for path in Path(places["model"], "checkpoints").iterdir()]
    assert sorted(names) == ["best-000001", "last-000001"]
    assert list(Path(places["empty"]).iterdir()) == []
