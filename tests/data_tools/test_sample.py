"""The toy set: what is in it, that it is repeatable, and that only the drawing tells."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from catdog.errors import UsageError
from data_tools import _scenes, sample

NUMBERS = range(60)
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def pictures() -> dict[str, list[bytes]]:
    return {
        label: [_scenes.picture(11, label, number) for number in NUMBERS]
        for label in ("cat", "dog")
    }


def upright(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def properties(data: bytes) -> tuple[object, ...]:
    with Image.open(io.BytesIO(data)) as image:
        return image.size, image.mode, image.format, image.getexif().get(ORIENTATION)


def draw(folder: Path, *, pictures: int, broken: int, seed: int = 0) -> dict[str, bytes]:
    config = sample.Config(output_dir=str(folder), pictures=pictures, broken=broken, seed=seed)
    sample.main(config)
    return {path.name: path.read_bytes() for path in (folder / "train").iterdir()}


def test_a_set_holds_the_pictures_in_the_layout_of_kaggle(tmp_path: Path) -> None:
    config = sample.Config(output_dir=str(tmp_path / "toy"), pictures=9, broken=3)
    result = sample.main(config)
    assert result == {
        "pictures": 9,
        "cats": 5,
        "dogs": 4,
        "broken": 3,
        "output_dir": str(tmp_path / "toy"),
    }
    names = {
        path.relative_to(tmp_path / "toy").as_posix() for path in (tmp_path / "toy").rglob("*.jpg")
    }
    cats = {f"train/cat.{number}.jpg" for number in range(7)}
    assert names == cats | {f"train/dog.{number}.jpg" for number in range(5)}
    assert [path.name for path in (tmp_path / "toy").iterdir()] == ["train"]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first = draw(tmp_path / "a", pictures=16, broken=6)
    assert draw(tmp_path / "b", pictures=16, broken=6) == first
    other = draw(tmp_path / "c", pictures=16, broken=0, seed=1)
    assert set(other.values()).isdisjoint(first.values())


def test_a_larger_set_starts_with_the_pictures_of_a_smaller_one(tmp_path: Path) -> None:
    small = draw(tmp_path / "small", pictures=6, broken=0)
    large = draw(tmp_path / "large", pictures=10, broken=0)
    assert small == {name: large[name] for name in small}


def test_no_two_pictures_are_alike(pictures: dict[str, list[bytes]]) -> None:
    assert len({*pictures["cat"], *pictures["dog"]}) == 2 * len(NUMBERS)


def test_cat_and_dog_of_one_number_share_size_mode_format_and_orientation(
    pictures: dict[str, list[bytes]],
) -> None:
    for cat, dog in zip(pictures["cat"], pictures["dog"], strict=True):
        assert properties(cat) == properties(dog)


def test_the_odd_ones_are_there(pictures: dict[str, list[bytes]]) -> None:
    seen = [properties(data) for data in pictures["cat"]]
    sides = [side for size, *_ in seen for side in size]  # type: ignore[attr-defined]
    assert (min(sides), max(sides)) == (59, 1050)
    assert sum(mode == "L" for _, mode, *_ in seen) == 4
    assert sum(kind == "PNG" for _, _, kind, _ in seen) == 4
    assert [turn for *_, turn in seen if turn is not None] == [6, 8, 3, 6]
    assert len({size for size, *_ in seen}) > 50


@pytest.mark.parametrize("label", ["cat", "dog"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_rotated_picture_is_upright_once_its_tag_is_honoured(
    label: str, orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_scenes, "_ORIENTATIONS", (orientation,))
    data = _scenes.picture(0, label, 14)
    assert properties(data)[3] == orientation
    painted = np.asarray(_scenes.paint(0, label, 14), np.float32)
    stored = np.asarray(upright(data), np.float32)
    assert stored.shape == painted.shape
    assert np.abs(stored - painted).mean() < 16  # JPEG of a noisy picture; unturned it is > 30


def test_the_broken_ones_are_empty_cut_and_html_for_both_classes(tmp_path: Path) -> None:
    files = draw(tmp_path / "toy", pictures=4, broken=6)
    for label in ("cat", "dog"):
        empty, cut, html = (files[f"{label}.{number}.jpg"] for number in (2, 3, 4))
        assert empty == b""
        assert cut.startswith(b"\xff\xd8") and not cut.endswith(b"\xff\xd9")
        with Image.open(io.BytesIO(cut)) as image, pytest.raises(OSError, match="truncated"):
            image.load()
        assert html.lower().startswith(b"<!doctype html")


def test_the_mean_colour_says_nothing_about_the_class() -> None:
    means, labels = [], []
    for number in range(150):
        for label in ("cat", "dog"):
            small = upright(_scenes.picture(5, label, number)).resize((1, 1), Image.Resampling.BOX)
            means.append(np.asarray(small, np.float32).ravel())
            labels.append(label)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=100.0))
    assert cross_val_score(model, np.stack(means), labels, cv=5).mean() <= 0.60


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(UsageError, match="--output_dir must be a new or an empty folder"):
        sample.main(sample.Config(output_dir=str(tmp_path), pictures=2, broken=0))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_output_dir_is_refused() -> None:
    with pytest.raises(UsageError, match="--output_dir must be .* received ''"):
        sample.main(sample.Config(output_dir="", pictures=2, broken=0))


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_file_in_the_way_of_output_dir_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="--output_dir must be .* a file is in the way"):
        sample.main(sample.Config(output_dir=str(tmp_path / path), pictures=2, broken=0))


def test_an_interrupted_drawing_leaves_no_train_folder_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = draw(tmp_path / "whole", pictures=6, broken=0)
    real = _scenes.picture

    def stops(seed: int, label: str, number: int) -> bytes:
        if number == 2:
            raise KeyboardInterrupt
        return real(seed, label, number)

    monkeypatch.setattr(_scenes, "picture", stops)
    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path / "again", pictures=6, broken=0)
    assert not (tmp_path / "again" / "train").exists()
    monkeypatch.setattr(_scenes, "picture", real)
    assert draw(tmp_path / "again", pictures=6, broken=0) == whole


def test_the_command_ends_with_its_result_and_never_imports_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys, runpy, atexit\n"
        "atexit.register(lambda: print('tensorflow' in sys.modules, file=sys.stderr))\n"
        f"sys.argv = ['sample', '--output_dir={tmp_path / 'toy'}', '--pictures=4', '--broken=1']\n"
        "runpy.run_module('data_tools.sample', run_name='__main__', alter_sys=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1])["pictures"] == 4
    assert done.stderr.splitlines()[-1] == "False"
    assert len(list((tmp_path / "toy" / "train").iterdir())) == 5
