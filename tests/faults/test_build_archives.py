"""Hostile zips are read as streams; a name that states no class is never taken for one."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-m", "data_tools.build_tfrecords"]


def jpeg(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


def run(source: Path, output: Path) -> "subprocess.CompletedProcess[str]":
    flags = [f"--source={source}", f"--output_dir={output}", "--image_size=16", "--workers=1"]
    return subprocess.run([*COMMAND, *flags], cwd=ROOT, capture_output=True, text=True)


def hostile(path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as nested:
        nested.writestr("cat.99.jpg", jpeg(99))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10):
            archive.writestr(f"train/{('cat', 'dog')[number % 2]}.{number}.jpg", jpeg(number))
        for name in (
            "../cat.50.jpg",
            "/tmp/dog.51.jpg",
            "train/../../cat.52.jpg",
            "C:\\cat.53.jpg",
        ):
            archive.writestr(name, jpeg(50))
        link = zipfile.ZipInfo("train/cat.54.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("train/dog.55.jpg", bytes(30 * 2**20))  # shrinks about 1000 times
        archive.writestr("train/other.zip", inner.getvalue())
        archive.writestr("train/wolf.56.jpg", jpeg(56))
        archive.writestr("train/57.jpg", jpeg(57))


def test_hostile_members_are_listed_or_passed_over_and_nothing_is_unpacked(tmp_path: Path) -> None:
    hostile(tmp_path / "train.zip")
    done = run(tmp_path / "train.zip", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["kept"], result["rejected"]) == (10, 1)
    assert "unsafe name" in done.stderr and "link or special file" in done.stderr
    rejects = (tmp_path / "data" / "rejects.csv").read_text()
    assert "train/dog.55.jpg" in rejects and "over the limit of 200 times" in rejects
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "train.zip"]
    table = (tmp_path / "data" / "splits.csv").read_text()
    assert table.count("\n") == 11
    assert not any(key in table for key in ("wolf", "/57.jpg", "cat.99", "passwd", "cat.5"))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "fits no layout"),
        (["cat.0.jpg", "cat.1.jpg"], "no picture of the class 'dog'"),
        (["bird.0.jpg", "1.jpg", "notes.txt"], "fits no layout"),
    ],
)
def test_no_class_or_one_is_an_input_error(tmp_path: Path, names: list[str], says: str) -> None:
    (tmp_path / "pictures").mkdir()
    for number, name in enumerate(names):
        (tmp_path / "pictures" / name).write_bytes(jpeg(number))
    done = run(tmp_path / "pictures", tmp_path / "data")
    assert done.returncode == 3, done.stderr
    assert says in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
