"""Twelve kinds of damage to a real build, found twelve times with file and record."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from catdog import files, schema
from catdog.errors import InputError, IntegrityError, UsageError
from data_tools import api, verify_tfrecords
from data_tools.config import VerifyConfig

ROOT = Path(__file__).resolve().parent.parent.parent


def build(folder: Path, *, seed: int, word: str) -> Path:
    """A data set of 40 pictures whose names begin with `word`, in five shards."""
    rng = np.random.default_rng(seed)
    for number in range(40):
        name = ("cat", "dog")[number % 2]
        path = folder / "pictures" / name / f"{word}{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
        coarse.resize((40, 40)).save(stream, "JPEG")
        path.write_bytes(stream.getvalue())
    config = api.BuildConfig(
        source=str(folder / "pictures"),
        output_dir=str(folder / "data"),
        image_size=32,
        num_shards=("train=3", "validation=2"),
        workers=1,
    )
    api.build(config)
    return folder / "data"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("one"), seed=0, word="p")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("two"), seed=1, word="q")


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built, tmp_path / "copy")


def verify(folder: Path, **settings: Any) -> dict[str, Any]:
    return verify_tfrecords.main(
        VerifyConfig(**({"data_dir": str(folder), "workers": 1} | settings))
    )


def largest(folder: Path) -> schema.Shard:
    shards = schema.read_manifest(folder).split("train").shards
    return max(shards, key=lambda one: one.examples)


Damaged = Callable[[str], schema.Shard]


@pytest.fixture
def damage(copy: Path, other: Path, shard_damages: dict[str, Any], frames_of: Any) -> Damaged:
    def make(kind: str) -> schema.Shard:
        shard = largest(copy)
        path = copy / shard.file
        content = shard_damages[kind].change(
            frames_of(path.read_bytes()), frames_of((other / largest(other).file).read_bytes())
        )
        path.unlink() if content is None else path.write_bytes(content)
        return shard

    return make


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(), newline="")))


def test_a_sound_data_set_has_no_problem_for_any_number_of_workers(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for settings in ({}, {"quick": True}, {"workers": 2}):
        table = tmp_path / "problems.csv"
        result = verify(built, output_file=str(table), **settings)
        assert result["problems"] == 0
        assert result["splits"] == {"train": 32, "validation": 8}
        assert rows(table) == []
    assert capsys.readouterr().out == ""


def test_damage_is_found_with_file_and_record(
    copy: Path,
    damage: Damaged,
    shard_damages: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage_kind: str,
) -> None:
    shard = damage(damage_kind)
    with pytest.raises(IntegrityError, match=r"problems? in .*delete the damaged shards and run"):
        verify(copy, output_file=str(tmp_path / "problems.csv"))
    told = rows(tmp_path / "problems.csv")
    record = shard_damages[damage_kind].record(shard.examples)
    first = told[0]
    assert (first["file"], first["record"]) == (shard.file, "" if record is None else str(record))
    assert shard_damages[damage_kind].words in first["problem"]
    assert {row["file"] for row in told} == {shard.file}, "nothing else is blamed"
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0].startswith(shard.file)
    assert len(err.splitlines()) == len(told)


def test_swapped_records_are_both_told_and_no_other(
    copy: Path, damage: Damaged, tmp_path: Path
) -> None:
    damage("two records swapped")
    with pytest.raises(IntegrityError):
        verify(copy, output_file=str(tmp_path / "problems.csv"))
    assert [row["record"] for row in rows(tmp_path / "problems.csv")] == ["1", "3"]


def test_several_damaged_shards_are_told_alike_by_any_number_of_workers(
    copy: Path, damage: Damaged, tmp_path: Path
) -> None:
    damage("a flipped bit of the bytes")
    (copy / schema.read_manifest(copy).split("validation").shards[0].file).unlink()
    texts = set()
    for workers in (1, 2, 8):
        table = tmp_path / f"{workers}.csv"
        with pytest.raises(IntegrityError, match="2 problems"):
            verify(copy, output_file=str(table), workers=workers)
        texts.add(table.read_text())
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("kind", "seen"),
    [("missing", True), ("cut inside a record", True), ("a flipped bit of the bytes", False)],
)
def test_quick_sees_sizes_only(copy: Path, damage: Damaged, kind: str, seen: bool) -> None:
    damage(kind)
    if seen:
        with pytest.raises(IntegrityError, match="1 problem in"):
            verify(copy, quick=True)
    else:
        assert verify(copy, quick=True)["problems"] == 0


def changed_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / schema.MANIFEST_FILE
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _labels(content: dict[str, Any]) -> None:
    counts = content["splits"][0]["label_counts"]
    counts[0], counts[1] = counts[0] + 1, counts[1] - 1


def _sums(content: dict[str, Any]) -> None:
    content["splits"][0]["shards"][0]["sums"]["sum"][1] //= 2


def _pixels(content: dict[str, Any]) -> None:
    content["splits"][0]["shards"][0]["sums"]["pixels"] += 1


def _kept(content: dict[str, Any]) -> None:
    content["counts"]["kept"] += 1


@pytest.mark.parametrize(
    ("change", "words", "quick"),
    [
        (_labels, "train has .* pictures by label, it says", False),
        (_sums, "the mean of green is .*, the manifest has", False),
        (_pixels, "the pixel sums of .* are not those of", True),
        (_kept, "it has kept 41, its splits hold 40", True),
    ],
)
def test_a_manifest_that_is_wrong_is_told(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], None],
    words: str,
    quick: bool,
) -> None:
    changed_manifest(copy, change)
    for settings in ({}, {"quick": True}) if quick else ({},):
        with pytest.raises(IntegrityError, match=r"1 problem in|2 problems in"):
            verify(copy, **settings)
        assert re.search(words, capsys.readouterr().err)


def test_a_record_in_two_splits_is_told(
    copy: Path, capsys: pytest.CaptureFixture[str], frames_of: Any
) -> None:
    manifest = schema.read_manifest(copy)
    train, validation = largest(copy), manifest.split("validation").shards[0]
    frame = frames_of((copy / train.file).read_bytes())[0]
    path = copy / validation.file
    path.write_bytes(frame + b"".join(frames_of(path.read_bytes())[1:]))
    with pytest.raises(IntegrityError):
        verify(copy)
    err = capsys.readouterr().err
    key = schema.deserialize(frame[12:-4]).filename
    assert f"{validation.file}, record 0 (byte 0, key {key!r}): its key is none of" in err
    assert f"its key is in {train.file} too" in err


def test_other_files_and_strangers_are_told(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / "features.json").unlink()
    (copy / "splits.csv").write_text("key\n")
    (copy / "catdog-train.tfrecord-00000-of-00009").write_bytes(b"")
    with pytest.raises(IntegrityError, match="3 problems"):
        verify(copy)
    err = capsys.readouterr().err
    assert "features.json: the file is missing" in err
    assert "splits.csv: its sha256 is not the one in the manifest" in err
    assert "catdog-train.tfrecord-00000-of-00009: the manifest knows no such shard" in err


def test_many_problems_are_cut_short_on_the_terminal_alone(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verify_tfrecords, "_MOST_LINES", 2)
    for shard in schema.read_manifest(copy).split("train").shards:
        (copy / shard.file).write_bytes(b"")
    with pytest.raises(IntegrityError, match="3 problems"):
        verify(copy, output_file=str(tmp_path / "problems.csv"))
    assert capsys.readouterr().err.splitlines()[2].startswith("… and 1 more; --output_file")
    assert len(rows(tmp_path / "problems.csv")) == 3


def test_a_key_that_looks_like_a_formula_is_text_in_the_table() -> None:
    from catdog.inspection import Problem
    from catdog.shards import Place

    text = verify_tfrecords._csv([Problem(Place("f", 0, 0, "=1+1"), "why")])
    assert text == "file,record,offset,key,problem\nf,0,0,'=1+1,why\n"
    assert files.csv_text(("a",), [("=1",)]) == "a\n'=1\n"


def test_mistakes_are_told(built: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="existing folder"):
        verify(tmp_path / "nowhere")
    with pytest.raises(InputError, match="build_tfrecords first"):
        verify(tmp_path)
    with pytest.raises(UsageError, match="is a folder"):
        verify(built, output_file=str(tmp_path))


def test_the_command_exits_4_and_leaves_stdout_empty(copy: Path, damage: Damaged) -> None:
    shard = damage("a broken JPEG")
    command = [sys.executable, "-m", "data_tools.verify_tfrecords", f"--data_dir={copy}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (done.returncode, done.stdout) == (4, "")
    first, last = done.stderr.splitlines()
    assert first.startswith(f"{shard.file}, record 2 (byte ")
    assert last.startswith(f"error: 1 problem in {copy}, in {shard.file}; copy the files again")
