"""The benchmark of a build's memory draws, builds and compares; a mistake of its user is told."""

import json
import zipfile
from pathlib import Path
from typing import Any

from benchmarks import build_memory


def test_it_tells_the_peaks_of_each_source_and_leaves_nothing(
    run_benchmark: Any, tmp_path: Path
) -> None:
    flags = ["--fewer=20", "--more=60", "--workers=1", "--image_size=8", f"--work_dir={tmp_path}"]
    done = run_benchmark("build_memory", *flags, "--sources=folder,nested")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    for kind in ("folder", "nested"):
        # Python, numpy and Pillow in both of the processes, but no TensorFlow.
        assert 20 < result[kind]["worker_mb"] < 200
        assert 20 < result[kind]["main_mb"] < 200
    assert list(tmp_path.iterdir()) == []


def test_its_pictures_are_the_same_in_every_source(tmp_path: Path) -> None:
    for kind in ("folder", "zip", "nested"):
        build_memory.SOURCES[kind](tmp_path / kind, 5)
    names = sorted(path.name for path in (tmp_path / "folder" / "train").iterdir())
    assert names == ["cat.0.jpg", "cat.1.jpg", "cat.2.jpg", "dog.0.jpg", "dog.1.jpg"]
    with zipfile.ZipFile(tmp_path / "nested") as outer, outer.open("train.zip") as stored:
        for opened in (zipfile.ZipFile(tmp_path / "zip"), zipfile.ZipFile(stored)):
            found = {name: opened.read(f"train/{name}") for name in names}
            assert found == {n: (tmp_path / "folder/train" / n).read_bytes() for n in names}
            assert len(set(found.values())) == 5
            opened.close()


def test_no_more_pictures_than_fewer_is_a_users_mistake(run_benchmark: Any) -> None:
    done = run_benchmark("build_memory", "--fewer=20", "--more=20")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--more must be above --fewer=20" in done.stderr
