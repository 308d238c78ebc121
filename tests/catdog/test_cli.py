"""run_main turns flags into a result line and every failure into one line and an exit code."""

import dataclasses
import errno
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from catdog import cli, errors, flags


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of the commands below."""

    source: str = flags.option(flags.REQUIRED, "where from")
    count: int = flags.option(3, "how many", lower=1)


Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a main with arguments; the exit code, the lines of stdout and those of stderr."""

    def run(main: Callable[..., Any], *arguments: str, positional: str = "") -> Any:
        monkeypatch.setattr(sys, "argv", ["program", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.run_main(main, Config, positional=positional)
        out, err = capsys.readouterr()
        return stopped.value.code, out.splitlines(), err.splitlines()

    return run


def show(config: Config) -> dict[str, Any]:
    """A command that talks to both streams."""
    cli.say("working")
    return dataclasses.asdict(config)


def show_all(config: Config, paths: list[str]) -> dict[str, Any]:
    """A command that takes paths."""
    return {"count": config.count, "paths": paths}


def failing(error: BaseException) -> Callable[[Config], dict[str, Any]]:
    """A command that fails so."""

    def main(config: Config) -> dict[str, Any]:
        raise error

    return main


def test_result_is_the_last_line_of_stdout_as_json(run: Run) -> None:
    code, out, err = run(show, "--source=a b", "--count", "5")
    assert (code, json.loads(out[-1])) == (0, {"source": "a b", "count": 5})
    assert err == ["working"]


TALKING = """
import dataclasses
from catdog import cli
Config = dataclasses.make_dataclass("Config", [], frozen=True)
def main(config):
    print("a line")
    return {"a": 1}
cli.run_main(main, Config)
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [[], ["--help"]])
@pytest.mark.parametrize(("stdout", "code"), [("/dev/full", 7), ("closed", 0)])
def test_output_that_cannot_be_written_is_told_and_such_that_nobody_reads_is_not(
    stdout: str, code: int, arguments: list[str], unbuffered: str
) -> None:
    if stdout == "closed":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(stdout, os.O_WRONLY)
    done = subprocess.run(
        [sys.executable, "-c", TALKING, *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )
    os.close(writer)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: the disk is full") == bool(code)
    assert done.stderr.count("\n") == bool(code)


def test_arguments_that_are_no_flags_reach_a_main_that_names_them(run: Run) -> None:
    code, out, _ = run(show_all, "x", "--source=s", "y", "--", "--z", positional="PATH")
    assert (code, json.loads(out[-1])["paths"]) == (0, ["x", "y", "--z"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--source=s", "--cuont=3"], "'cuont'. Did you mean: count"),
        (["--source=s", "--count=many"], "count"),
        (["--source=s", "--count=0"], "count"),
        (["--count=1"], "--source is required"),
        (["--source=s", "stray"], "'stray'"),
        (["--source=s", "--flagfile=/nowhere/flags.txt"], "/nowhere/flags.txt"),
    ],
)
def test_misused_flags_exit_2_with_one_line(run: Run, arguments: list[str], words: str) -> None:
    code, out, err = run(show, *arguments)
    assert (code, out) == (2, [])
    assert len(err) == 1
    assert err[0].startswith("error: ")
    assert words in err[0]


def test_flag_file_is_read(run: Run, tmp_path: Any) -> None:
    (tmp_path / "flags.txt").write_text("# a comment\n--source=file\n--count=7\n")
    code, out, _ = run(show, f"--flagfile={tmp_path / 'flags.txt'}", "--count=8")
    assert (code, json.loads(out[-1])) == (0, {"source": "file", "count": 8})


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_exits_0_and_lists_flags_defaults_and_bounds(run: Run, flag: str) -> None:
    code, out, err = run(show, flag)
    text = "\n".join(out)
    assert (code, err) == (0, [])
    for words in (__doc__.splitlines()[0], "--source", "(required)", "how many", "default: '3'"):
        assert words in text


EXIT_CODES = {
    errors.UsageError: 2,
    errors.InputError: 3,
    errors.IntegrityError: 4,
    errors.MismatchError: 5,
    errors.NumericError: 6,
    errors.ResourceError: 7,
    errors.LockedError: 8,
}


@pytest.mark.parametrize("kind", EXIT_CODES, ids=lambda kind: kind.__name__)
def test_each_error_has_its_exit_code_and_is_one_line(run: Run, kind: type[Exception]) -> None:
    code, out, err = run(failing(kind("a rule\n  and a value")), "--source=s")
    assert (code, out, err) == (EXIT_CODES[kind], [], ["error: a rule and a value"])


def test_every_error_that_there_is_stands_in_the_table() -> None:
    assert set(errors.CatdogError.__subclasses__()) == set(EXIT_CODES)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 7),
        (OSError(errno.EFBIG, "File too large"), 7),
        (MemoryError(), 7),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 2),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/y"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_of_the_system_get_a_code_and_no_traceback(
    run: Run, error: BaseException, code: int
) -> None:
    found, out, err = run(failing(error), "--source=s")
    assert (found, out, len(err)) == (code, [], 1)


def test_a_bug_exits_1_and_shows_where(run: Run) -> None:
    code, out, err = run(failing(RuntimeError("odd")), "--source=s")
    assert (code, out) == (1, [])
    assert err[0].startswith("Traceback")
    assert "RuntimeError: odd" in err
    assert err[-1].startswith("error: ")


def test_errors_of_tensorflow_are_told_apart(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class OpError(Exception):
        pass

    class DataLossError(OpError):
        pass

    class ResourceExhaustedError(OpError):
        pass

    class OutOfRangeError(OpError):
        pass

    class InvalidArgumentError(OpError):
        pass

    kinds = types.SimpleNamespace(
        OpError=OpError,
        DataLossError=DataLossError,
        ResourceExhaustedError=ResourceExhaustedError,
        InvalidArgumentError=InvalidArgumentError,
    )
    monkeypatch.setitem(sys.modules, "tensorflow", types.SimpleNamespace(errors=kinds))
    code, _, err = run(failing(DataLossError("truncated record at 5\nmore")), "--source=s")
    assert (code, len(err)) == (4, 1)
    assert "truncated record at 5" in err[0]
    code, _, err = run(failing(ResourceExhaustedError("OOM when allocating")), "--source=s")
    assert (code, len(err)) == (7, 1)
    for full in (ResourceExhaustedError, OutOfRangeError):
        for reason in ("No space left on device", "File too large", "Disk quota exceeded"):
            code, _, err = run(failing(full(f"/x/variables; {reason}")), "--source=s")
            assert (code, len(err)) == (7, 1)
            assert "the disk is full" in err[0]
    code, _, err = run(failing(InvalidArgumentError("shapes differ")), "--source=s")
    assert code == 1


def test_progress_passes_every_element_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(cli.progress("abc", total=3, what="letters")) == list("abc")
    assert capsys.readouterr().err == "", "three quick letters are worth no line"


def test_a_meter_says_how_far_it_is_but_not_that_it_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    meter = cli.Meter(10, "steps", every_seconds=0.0)
    for count in (1, 4, 5):
        meter.advance(count, "loss 0.5")
    meter.close()
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in lines] == ["steps: 1 of 10", "steps: 5 of 10"]
    assert all(line.endswith(") loss 0.5") for line in lines)


def test_existing_folder_refuses_what_is_none(tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    assert cli.existing_folder(str(tmp_path), "data_dir") == tmp_path
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(errors.UsageError, match="--data_dir must be an existing folder"):
            cli.existing_folder(str(path), "data_dir")
