"""A build with --decoder=fast says so, for ever, and is not gone on with by another decoder."""

import json
import sys
from pathlib import Path

import pytest

from catdog import _fast, schema
from catdog.errors import MismatchError, UsageError
from data_tools import build_tfrecords, sample
from data_tools.config import BuildConfig


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("fast") / "pictures")
    sample.main(sample.Config(output_dir=folder, pictures=24, broken=2))
    return folder


def build(source: str, folder: Path, *, decoder: str, workers: int = 1) -> Path:
    config = BuildConfig(
        source=source, output_dir=str(folder), image_size=32, decoder=decoder, workers=workers
    )
    build_tfrecords.main(config)
    return folder


def test_the_manifest_tells_the_decoder_when_it_is_not_the_first(
    pictures: str, tmp_path: Path
) -> None:
    pytest.importorskip("simplejpeg")
    pytest.importorskip("cykooz_resizer")
    fast = build(pictures, tmp_path / "fast", decoder="fast")
    slow = build(pictures, tmp_path / "slow", decoder="pillow")
    said = {folder.name: schema.read_manifest(folder) for folder in (fast, slow)}
    assert (said["fast"].decoder, said["slow"].decoder) == ("fast", "pillow")
    assert {"simplejpeg", "cykooz-resizer"} <= set(said["fast"].libraries)
    assert "decoder" not in json.loads((slow / schema.MANIFEST_FILE).read_text())["preparation"]
    for name in ("rejects.csv", "splits.csv"):
        assert (fast / name).read_bytes() == (slow / name).read_bytes()
    again = build(pictures, tmp_path / "again", decoder="fast", workers=2)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in fast.iterdir()
    }
    next(slow.glob("*.tfrecord-*")).unlink()
    with pytest.raises(MismatchError, match='decoder: "pillow" then, "fast" now'):
        build(pictures, slow, decoder="fast")


def test_without_the_extra_nothing_is_written(
    pictures: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fast.libraries.cache_clear()
    monkeypatch.setitem(sys.modules, "cykooz_resizer", None)
    with pytest.raises(
        UsageError, match="pip install simplejpeg cykooz-resizer, or take --decoder=pillow"
    ):
        build(pictures, tmp_path / "data", decoder="fast")
    assert not list(tmp_path.iterdir())
    _fast.libraries.cache_clear()
