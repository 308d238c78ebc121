"""A file is whole or absent; a lock is held by one and ends with its process."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from catdog import files
from catdog.errors import LockedError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    files.write_whole(tmp_path / "a", b"\x00\xff")
    files.write_whole(tmp_path / "b", "tail \N{GREEK SMALL LETTER BETA}\n")
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b").read_bytes() == b"tail \xce\xb2\n"
    assert names(tmp_path) == ["a", "b"]


def test_while_it_is_written_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with files.whole_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_failure_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), files.whole_file(path) as file:
        file.write(b"new")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


FULL = """
import resource, sys
from pathlib import Path
from catdog import files
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    files.write_whole(Path(sys.argv[1]), bytes(1001))
except OSError as error:
    print(error.errno)
"""


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path / "a")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "27\n"  # EFBIG, what RLIMIT_FSIZE gives where a full disk gives ENOSPC
    assert names(tmp_path) == []


def test_json_keeps_the_order_of_its_keys_and_is_finite(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"b": 1, "a": [2.5, None]})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"b": 1, "a": [2.5, None]}
    assert text.index('"b"') < text.index('"a"')
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "b.json", {"loss": float("nan")})
    assert names(tmp_path) == ["a.json"]


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with (
        files.lock(tmp_path / ".lock", "the model"),
        pytest.raises(LockedError, match="the model is in use by another job"),
        files.lock(tmp_path / ".lock", "the model"),
    ):
        pass
    with files.lock(tmp_path / ".lock", "the model"):
        pass


HOLD = """
import sys, time
from pathlib import Path
from catdog import files
with files.lock(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_lock_ends_with_its_process_even_when_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LockedError), files.lock(tmp_path / ".lock", "it"):
            pass
        process.kill()
    with files.lock(tmp_path / ".lock", "it"):
        pass


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "'=1", "\r=1"])
def test_no_cell_is_a_formula_and_all_can_be_read_back(cell: str) -> None:
    text = files.csv_text(("name",), [(cell,)])
    read = list(csv.reader(io.StringIO(text, newline="")))[1][0]
    assert read == f"'{cell}"
    assert read.removeprefix("'") == cell


def test_csv_cells_with_commas_quotes_and_line_ends_survive() -> None:
    rows = [["a,b", 'say "x"', "two\nlines"], ["plain", "1", "0.5"]]
    text = files.csv_text(("x", "y", "z"), rows)
    assert list(csv.reader(io.StringIO(text)))[1:] == rows
    assert text.startswith("x,y,z\n")
    assert "\r" not in text


def test_a_name_that_is_no_text_still_makes_a_utf8_file(tmp_path: Path) -> None:
    files.write_whole(tmp_path / "a.csv", files.csv_text(("name",), [("caf\udce9.jpg",)]))
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "name\ncaf\\udce9.jpg\n"
