"""The benchmark of the converter builds real, if tiny, data sets and compares what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from data_tools import sample


def test_it_tells_ratios_and_how_alike_the_pictures_are(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("simplejpeg")
    pytest.importorskip("cykooz_resizer")
    pictures = str(tmp_path / "pictures")
    sample.main(sample.Config(output_dir=pictures, pictures=24, broken=0))
    command = [sys.executable, "-m", "benchmarks.convert", f"--source={pictures}", "--rounds=1"]
    ways = ["build_pillow", "build_fast", "bare_pillow", "bare_fast"]
    command += [f"--ways={','.join(ways)}"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [row["way"] for row in result["ways"]] == ways
    assert result["ways"][0]["ratio"] == result["ways"][0]["process_ratio"] == 1.0
    first, second = result["ways"][:2]
    expected = first["process_seconds"] / second["process_seconds"]
    assert second["process_ratio"] == pytest.approx(expected, rel=0.05)
    assert result["psnr"]["fast pixels"][0] > 45
