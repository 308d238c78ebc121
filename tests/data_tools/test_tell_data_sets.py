"""`info`, `diff` and `card` tell what is in data sets: the tables' numbers, in plain text."""

import csv
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from catdog import files, flags, schema
from catdog.errors import InputError, IntegrityError, UsageError
from data_tools import build_tfrecords, card, diff, info, sample
from data_tools.config import BuildConfig, CardConfig, DiffConfig, InfoConfig

Build = Callable[..., Path]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 drawn pictures and 3 broken ones; two of the good ones have two names each."""
    folder = tmp_path_factory.mktemp("pictures")
    members = list(sample.members(pictures=20, broken=3, seed=0))
    for name, data in members:
        (folder / name).write_bytes(data)
    for number, (name, data) in enumerate(members[:2]):
        (folder / f"{name[:3]}.{900 + number}.jpg").write_bytes(data)
    return folder


@pytest.fixture
def build(pictures: Path, tmp_path: Path) -> Build:
    """`build("a", seed=1)`: the folder of such a data set, of `pictures` unless told otherwise."""

    def run(name: str, **changes: Any) -> Path:
        given = {"source": str(pictures), "image_size": 16, "workers": 1} | changes
        build_tfrecords.main(BuildConfig(output_dir=str(tmp_path / name), **given))
        return tmp_path / name

    return run


@pytest.fixture
def other_pictures(pictures: Path, tmp_path: Path) -> Path:
    """`pictures` with one gone, one new, one renamed, and one with other bytes."""
    folder = tmp_path / "others"
    shutil.copytree(pictures, folder)
    (folder / "cat.1.jpg").unlink()
    (folder / "dog.2.jpg").rename(folder / "dog.777.jpg")
    (new, first), (_, second) = list(sample.members(pictures=2, broken=0, seed=9))
    (folder / f"new.{new}").write_bytes(b"")  # no class in its name: passed over
    (folder / "cat.555.jpg").write_bytes(first)
    (folder / "dog.3.jpg").write_bytes(second)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_info_counts_what_the_tables_list(build: Build, capsys: pytest.CaptureFixture[str]) -> None:
    data = build("data")
    result = info.main(InfoConfig(data_dir=str(data)))
    assert result["pictures"] == len(rows(data / "splits.csv")) == 22
    assert result["splits"] == {"train": 18, "validation": 4}
    assert result["rejected"] == len(rows(data / "rejects.csv")) == 3
    assert (result["copies"], result["label_conflicts"]) == (2, 0)
    assert result["bytes"] == sum(path.stat().st_size for path in data.glob("*.tfrecord-*"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.startswith(("class ", "cat ", "dog "))] == [
        ["class", "train", "validation", "all"],
        ["cat", "9", "2", "11"],
        ["dog", "9", "2", "11"],
    ]
    assert "  2  empty file" in lines or "  1  empty file" in lines
    assert max(map(len, lines)) < 120


def test_info_shows_what_a_name_would_do_to_a_terminal_and_does_not_do_it(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = build("data")
    name = "\x1b[2Jnothing\nhere"
    (data / "excluded.csv").write_text(files.csv_text(("key", "data_set"), [("k", name)]))
    assert info.main(InfoConfig(data_dir=str(data)))["excluded"] == 1
    said = capsys.readouterr().out
    assert "\x1b" not in said and r"\x1b[2Jnothing\nhere" in said


def test_info_of_no_data_set_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no manifest"):
        info.main(InfoConfig(data_dir=str(tmp_path)))
    with pytest.raises(UsageError, match="--data_dir"):
        info.main(InfoConfig(data_dir=str(tmp_path / "none")))


def test_equal_data_sets_are_equal_however_many_shards_they_have(
    build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, c = build("a"), build("b"), build("c", num_shards=("train=3", "validation=1"))
    same = diff.main(DiffConfig(), [str(a), str(b)])
    assert (same["equal"], same["same_records"]) == (True, True)
    assert "the same pictures" in capsys.readouterr().out
    other = diff.main(DiffConfig(), [str(a), str(c)])
    assert (other["equal"], other["same_records"]) == (True, False)


def test_diff_names_what_came_went_was_renamed_or_changed(
    build: Build,
    pictures: Path,
    other_pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    a, b = build("a"), build("b", source=str(other_pictures))
    table = tmp_path / "diff.csv"
    result = diff.main(DiffConfig(output_file=str(table)), [str(a), str(b)])
    found = {kind: result[kind] for kind in ("came", "went", "renamed", "bytes", "class")}
    assert found == {"came": 1, "went": 1, "renamed": 1, "bytes": 1, "class": 0}
    assert result["settings"] == {"source.name": [pictures.name, "others"]}
    by_change: dict[str, set[str]] = {}
    for row in rows(table):
        for kind in row["change"].split("+"):
            by_change.setdefault(kind, set()).add(row["key"])
    assert by_change["came"] == {"cat.555.jpg"}
    assert by_change["went"] == {"cat.1.jpg"}
    assert by_change["renamed"] == {"dog.777.jpg"}
    assert by_change["bytes"] == {"dog.3.jpg"}
    before = {row["key"]: row["split"] for row in rows(a / "splits.csv")}
    after = {row["key"]: row["split"] for row in rows(b / "splits.csv")}
    before["dog.777.jpg"] = before.pop("dog.2.jpg")
    moved = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    assert by_change.get("split", set()) == moved
    said = capsys.readouterr().out
    assert "renamed: 1\n  dog.777.jpg: was dog.2.jpg" in said
    back = diff.main(DiffConfig(rows=0), [str(b), str(a)])
    assert (back["came"], back["went"], back["renamed"]) == (1, 1, 1)


def test_diff_sees_another_seed_another_class_order_and_other_settings(build: Build) -> None:
    a = build("a")
    other = build("b", seed=1, jpeg_quality=50)
    result = diff.main(DiffConfig(), [str(a), str(other)])
    assert result["settings"] == {
        "preparation.jpeg_quality": ["95", "50"],
        "build.seed": ["0", "1"],
    }
    assert result["split"] > 0 and result["class"] == result["came"] == result["bytes"] == 0
    # The classes have the other labels; the pictures are of the class that they were of.
    turned = build("c", classes=("dog", "cat"))
    result = diff.main(DiffConfig(), [str(a), str(turned)])
    assert result["class"] == 0
    assert result["settings"] == {"class_names": ["cat, dog", "dog, cat"]}


def test_diff_refuses_what_it_cannot_compare(build: Build, tmp_path: Path) -> None:
    a = build("a")
    with pytest.raises(UsageError, match="two data sets"):
        diff.main(DiffConfig(), [str(a)])
    with pytest.raises(UsageError, match="existing folders"):
        diff.main(DiffConfig(), [str(a), str(tmp_path / "none")])
    with (a / "splits.csv").open("a") as file:
        file.write("one,more\n")
    with pytest.raises(IntegrityError, match=r"splits\.csv is not the file"):
        diff.main(DiffConfig(), [str(a), str(a)])
    (a / "splits.csv").unlink()
    with pytest.raises(IntegrityError, match=r"splits\.csv is not the file"):
        diff.main(DiffConfig(), [str(a), str(a)])


def test_the_command_on_the_card_makes_the_same_data_set(
    build: Build, pictures: Path, tmp_path: Path
) -> None:
    data = build(
        "data", seed=3, sample_size=16, num_shards=("a=2", "b=1"), splits=("a=0.5", "b=0.5")
    )
    text = card.read_card(data, "unknown")
    command = "".join(re.findall(r"^    (?! )(python .*(?:\n      .*)*)", text, re.MULTILINE))
    given = shlex.split(command.replace("\\\n", " "))[3:]
    settings = dict(flag.removeprefix("--").split("=", 1) for flag in given)
    settings |= {"source": str(pictures), "output_dir": str(tmp_path / "again"), "workers": "1"}
    config = parsed([f"--{name}={value}" for name, value in settings.items()])
    build_tfrecords.main(config)
    for path in data.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def parsed(given: list[str]) -> BuildConfig:
    """The config of a command line."""
    from absl import flags as absl_flags

    values = absl_flags.FlagValues()
    flags.define(BuildConfig, values)
    values(["build", *given])
    return flags.read(BuildConfig, values)


def test_card_has_the_hubs_header_and_no_mark_of_the_machine(
    build: Build, pictures: Path, tmp_path: Path
) -> None:
    data = build("data")
    assert (data / "DATA_CARD.md").read_text() == card.read_card(data, "unknown")
    before = {p.name: p.read_bytes() for p in data.iterdir() if p.name != "DATA_CARD.md"}
    result = card.main(CardConfig(data_dir=str(data), licence="cc0-1.0"))
    assert result["output_file"] == str(data / "DATA_CARD.md")
    text = (data / "DATA_CARD.md").read_text(encoding="utf-8")
    assert text == card.read_card(data, "cc0-1.0")
    assert {p.name: p.read_bytes() for p in data.iterdir() if p.name != "DATA_CARD.md"} == before
    _, header, body = text.split("---\n", 2)
    lines = header.splitlines()
    assert 'license: "cc0-1.0"' in lines and '- "n<1K"' in lines
    assert "    num_examples: 18" in lines and "          '1': \"dog\"" in lines
    assert "| dog | 9 | 2 | 11 |" in body and "Rejected pictures: 3." in body
    assert "Groups of copies: 2, 0 of them" in body
    for machine in (str(tmp_path), str(pictures.parent)):
        assert machine not in text


def test_card_that_was_added_to_is_kept_and_a_licence_stays(build: Build) -> None:
    data = build("data")
    path = data / "DATA_CARD.md"
    assert card.main(CardConfig(data_dir=str(data), licence="cc0-1.0"))["licence"] == "cc0-1.0"
    assert card.main(CardConfig(data_dir=str(data)))["licence"] == "cc0-1.0"
    with path.open("a", encoding="utf-8") as file:
        file.write("Taken on rainy days.\n")
    added = path.read_bytes()
    with pytest.raises(UsageError, match="give --overwrite"):
        card.main(CardConfig(data_dir=str(data), licence="mit"))
    assert path.read_bytes() == added
    card.main(CardConfig(data_dir=str(data), overwrite=True))
    assert path.read_text(encoding="utf-8") == card.read_card(data, "cc0-1.0")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("<img src=x>", r"\<img src=x\>"),
        ("a|b", r"a\|b"),
        ("[x](http://y)", r"\[x\](http\://y)"),
        ("_a_ b_c", r"\_a\_ b_c"),
        ("`x` *y* ~~z~~", r"\`x\` \*y\* \~\~z\~\~"),
        ("line\nend", r"line\\nend"),
        ("dog.1.jpg (2)", "dog.1.jpg (2)"),
    ],
)
def test_names_are_no_markdown(name: str, written: str) -> None:
    assert card.markdown(name) == written


def test_card_of_odd_names_keeps_its_header_whole(build: Build) -> None:
    data = build("data")
    text = (data / "manifest.json").read_text()
    content = json.loads(text)
    content["class_names"] = ["---", 'a: "b" # c']
    content["source"]["name"] = "x\n---\nlicense: mine"
    (data / "manifest.json").write_text(json.dumps(content))
    lines = card.read_card(data, "un: known\n").splitlines()
    end = lines.index("---", 1)
    assert [line for line in lines if line == "---"] == ["---", "---"]
    scalars = [line.partition(": ")[2] for line in lines[:end] if '"' in line and ": " in line]
    assert "x\n---\nlicense: mine" in [json.loads(scalar) for scalar in scalars]
    assert schema.read_manifest(data).class_names[1] in [json.loads(s) for s in scalars]
