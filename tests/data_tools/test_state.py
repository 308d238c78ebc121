"""An unfinished build goes on with the same pictures and settings only, and reads nothing twice."""

import dataclasses
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from catdog.errors import InputError, MismatchError
from data_tools import _assemble, _similar, build_tfrecords
from data_tools._found import Scan
from data_tools._state import State
from data_tools.config import BuildConfig


def picture(path: Path, shade: int) -> None:
    Image.new("RGB", (9, 9), (shade, shade, shade)).save(path, "PNG")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def config(tmp_path: Path) -> BuildConfig:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        picture(folder / f"{('cat', 'dog')[number % 2]}.{number}.jpg", number)
    return BuildConfig(
        source=str(folder),
        output_dir=str(tmp_path / "data"),
        image_size=16,
        num_shards=("2",),
        workers=1,
    )


@pytest.fixture
def interrupted(config: BuildConfig, monkeypatch: pytest.MonkeyPatch) -> BuildConfig:
    """A config whose build was interrupted after its second shard."""

    def commit(self: State, written: Any) -> None:
        real(self, written)
        if len(list((self.work / "commits").iterdir())) == 2:
            raise KeyboardInterrupt

    real = State.commit
    with monkeypatch.context() as patch:
        patch.setattr(State, "commit", commit)
        with pytest.raises(KeyboardInterrupt):
            build_tfrecords.main(config)
    return config


def test_the_same_build_goes_on(
    interrupted: BuildConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    # Of these, none but the licence decides a byte, and that is on the card alone.
    changes = {"workers": 2, "max_rejects": 3, "layout": "kaggle", "licence": "cc0-1.0"}
    assert build_tfrecords.main(dataclasses.replace(interrupted, **changes))["kept"] == 20
    assert "going on: 2 of 4 shards are finished" in capsys.readouterr().err
    assert 'license: "cc0-1.0"\n' in (tmp_path / "data" / "DATA_CARD.md").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pictures"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"image_size": 32}, "image_size: 16 then, 32 now"),
        ({"seed": 3}, "seed: 0 then, 3 now"),
        ({"duplicates": "allow"}, 'duplicates: "group" then, "allow" now'),
        ({"splits": ("a=0.5", "b=0.5")}, 'splits: .*"train=0.8".* then, .*"a=0.5".* now'),
        ({"sample_size": 10, "resize": "crop"}, "resize: .*; sample_size: 0 then, 10 now"),
    ],
)
def test_other_settings_are_told_and_what_is_there_stays(
    interrupted: BuildConfig, changes: dict[str, Any], says: str, tmp_path: Path
) -> None:
    work = tmp_path / ".data.partial"
    before = sorted(path.name for path in work.rglob("*"))
    with pytest.raises(MismatchError, match=says) as error:
        build_tfrecords.main(dataclasses.replace(interrupted, **changes))
    assert str(work) in str(error.value)
    assert sorted(path.name for path in work.rglob("*")) == before
    assert build_tfrecords.main(interrupted)["kept"] == 20


def test_other_libraries_are_other_settings(
    interrupted: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_assemble._describe, "libraries", lambda decoder: {"pillow": "0.1"})
    with pytest.raises(MismatchError, match="libraries: .* then"):
        build_tfrecords.main(interrupted)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: picture(folder / "cat.0.jpg", 200), r"1 changed, 'cat\.0\.jpg'"),
        (lambda folder: picture(folder / "cat.50.jpg", 200), r"1 new, 'cat\.50\.jpg'"),
        (lambda folder: (folder / "dog.1.jpg").unlink(), r"1 gone, 'dog\.1\.jpg'"),
    ],
)
def test_other_pictures_are_told(
    interrupted: BuildConfig, change: Any, says: str, tmp_path: Path
) -> None:
    change(tmp_path / "pictures")
    for _ in range(2):
        with pytest.raises(MismatchError, match=says):
            build_tfrecords.main(interrupted)


def test_a_new_class_is_told_also_before_there_is_a_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bird/1.png", "bird/2.png", "cat/1.png", "cat/2.png"):
        (tmp_path / "pictures" / name).parent.mkdir(exist_ok=True, parents=True)
        picture(tmp_path / "pictures" / name, len(name))
    config = BuildConfig(
        source=str(tmp_path / "pictures"), output_dir=str(tmp_path / "data"), splits=("all_=1.0",)
    )
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(State, "check_plan", _interrupt)
        build_tfrecords.main(config)
    (tmp_path / "pictures" / "ant").mkdir()
    picture(tmp_path / "pictures" / "ant" / "1.png", 9)
    # Every label is another one now, and the records that are kept hold the old ones.
    with pytest.raises(
        MismatchError, match=r'class_names: \["bird", "cat"\] then, \["ant", "bird"'
    ):
        build_tfrecords.main(config)


def test_a_note_among_the_pictures_changes_nothing(
    interrupted: BuildConfig, tmp_path: Path
) -> None:
    (tmp_path / "pictures" / "notes").write_text("x")
    result = build_tfrecords.main(interrupted)
    assert (result["kept"], result["passed_over"]) == (20, 1)
    data = contents(tmp_path / "data")
    (tmp_path / "pictures" / "notes").unlink()
    (tmp_path / "data" / "rejects.csv").unlink()
    assert build_tfrecords.main(interrupted)["kept"] == 20
    assert contents(tmp_path / "data") == data


def test_scans_survive_a_kill_in_the_middle_of_a_line(tmp_path: Path) -> None:
    one, two = "ab" * 32, "cd" * 32
    state = State(tmp_path, {"seed": 0})
    state.remember([("a\n\udc80", "1 2", Scan(one)), ("b", "3", Scan(two, "empty file"))])
    path = tmp_path / "scans.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    state = State(tmp_path, {"seed": 0})
    look = bytes(range(256)) + bytes(40)
    state.remember([("c", "4", Scan(one, print=look)), ("d", "5", Scan(two, print=look[1:]))])
    wanted = [("a\n\udc80", "1 2", Scan(one)), ("c", "4", Scan(one, print=look))]
    assert list(state.scans()) == wanted


def test_pictures_read_before_are_not_read_again(
    tmp_path: Path, config: BuildConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "train.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted((tmp_path / "pictures").iterdir()):
            packed.write(path, path.name)
    config = dataclasses.replace(config, source=str(archive))

    def check_plan(self: State, plan: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(State, "check_plan", check_plan)
        build_tfrecords.main(config)
    lines = (tmp_path / ".data.partial" / "scans.jsonl").read_text().split()
    added: list[tuple[str, str, Scan]] = []
    monkeypatch.setattr(State, "remember", lambda self, scans: added.extend(scans))
    assert build_tfrecords.main(config)["kept"] == 20
    assert lines and not added


def test_records_that_were_lost_are_made_again_and_no_others(
    config: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(2.1)  # files that have just changed are read again in any case
    build_tfrecords.main(dataclasses.replace(config, output_dir=str(tmp_path / "whole")))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(State, "check_plan", _interrupt)
        build_tfrecords.main(config)
    (records,) = (tmp_path / ".data.partial" / "records").iterdir()
    size = records.stat().st_size
    with records.open("r+b") as file:  # as after a power cut: the end never reached the disk
        file.seek(size * 3 // 4)
        file.write(bytes(size - size * 3 // 4))
    made = _noted(monkeypatch)
    assert build_tfrecords.main(config)["kept"] == 20
    assert 5 <= len(made) <= 6
    assert contents(tmp_path / "data") == contents(tmp_path / "whole")


def test_what_is_read_again_after_the_plan_is_not_read_a_third_time(
    interrupted: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (tmp_path / "pictures").iterdir():
        path.chmod(0o600)  # another stamp
    time.sleep(2.1)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(State, "finished", _interrupt)
        build_tfrecords.main(interrupted)
    made = _noted(monkeypatch)
    assert build_tfrecords.main(interrupted)["kept"] == 20
    assert not made


def _noted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Scan]]:
    """What is found in pictures from now on."""
    noted: list[tuple[str, str, Scan]] = []
    real = State.remember

    def remember(self: State, scans: list[tuple[str, str, Scan]]) -> None:
        noted.extend(scans)
        real(self, scans)

    monkeypatch.setattr(State, "remember", remember)
    return noted


def _interrupt(*ignored: Any) -> None:
    raise KeyboardInterrupt


def test_records_kept_from_pass_1_are_those_that_pass_2_would_make(
    config: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_tfrecords.main(config)
    monkeypatch.setattr(build_tfrecords._plan, "stores_most", lambda *ignored: False)
    noted = _noted(monkeypatch)
    build_tfrecords.main(dataclasses.replace(config, output_dir=str(tmp_path / "again")))
    assert {scan.kept for _, _, scan in noted} == {-1}
    assert contents(tmp_path / "data") == contents(tmp_path / "again")


def test_of_a_build_that_fails_what_was_read_stays_and_its_plan_does_not(
    config: BuildConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pictures" / "cat.0.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match="--max_rejects=0"):
        build_tfrecords.main(dataclasses.replace(config, max_rejects=0))
    work = tmp_path / ".data.partial"
    assert f"what was read is kept in {work}; remove it" in capsys.readouterr().err
    kept = {".lock", "settings.json", "scans.jsonl", "records"}
    assert {path.name for path in work.iterdir()} == kept
    # Where pictures go may be decided anew; what is found in them may not.
    with pytest.raises(MismatchError, match="image_size: 16 then, 24 now"):
        build_tfrecords.main(dataclasses.replace(config, image_size=24))
    other = dataclasses.replace(config, seed=5, splits=("a=0.5", "b=0.5"), num_shards=("1",))
    assert build_tfrecords.main(other)["splits"].keys() == {"a", "b"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pictures"]


def test_an_output_inside_of_its_source_is_no_part_of_it(
    config: BuildConfig, tmp_path: Path
) -> None:
    inside = dataclasses.replace(config, output_dir=str(tmp_path / "pictures" / "data"))
    first = build_tfrecords.main(inside)
    assert first["passed_over"] == 0
    assert build_tfrecords.main(inside) == first


def test_a_note_of_which_a_byte_was_lost_is_no_note(tmp_path: Path) -> None:
    state = State(tmp_path, {})
    good = Scan("ab" * 32, "", bytes(_similar.PRINT_BYTES))
    state.remember([(f"{number}.jpg", "1", good) for number in range(4)])
    path = tmp_path / "scans.jsonl"
    path.write_text(path.read_text().replace("ab", "xy", 1))
    with path.open("a") as file:
        file.write("\n" + json.dumps(["5.jpg", "1", "ab", "", "", -1]))
        file.write("\n" + json.dumps(["6.jpg", "1", "", "empty", "", -1]))
    assert [key for key, _, _ in state.scans()] == ["1.jpg", "2.jpg", "3.jpg", "6.jpg"]
