"""One field of a dataclass is one flag, on the command line and in a file."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from absl import flags as absl_flags

from catdog import flags
from catdog.config import EvaluateConfig, PredictConfig, TrainConfig
from catdog.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Config:
    """A field of each kind."""

    where: str = flags.option(flags.REQUIRED, "a place")
    count: int = flags.option(2, "a number", lower=1, upper=9)
    rate: float = flags.option(0.1, "a rate", lower=0.0)
    fast: bool = flags.option(False, "no or yes")
    names: tuple[str, ...] = flags.option(("a", "b"), "a list")
    kind: str = flags.option("x", "one of two", choices=("x", "y"))


def parsed(*arguments: str, config_class: type[Any] = Config) -> Any:
    """The config that these arguments describe."""
    values = absl_flags.FlagValues()
    flags.define(config_class, values)
    values(["program", *arguments], known_only=False)
    return flags.read(config_class, values)


def test_defaults_are_those_of_the_fields() -> None:
    assert parsed("--where=here") == Config(where="here")


def test_flags_of_each_type_are_read() -> None:
    given = ["--where=w", "--count=9", "--rate=0.25", "--fast", "--names=c", "--kind=y"]
    assert parsed(*given) == Config("w", 9, 0.25, True, ("c",), "y")
    assert parsed("--where=h", "--nofast", "--names=").names == ()


@pytest.mark.parametrize(
    "argument", ["--count=0", "--count=10", "--count=2.5", "--rate=-1", "--kind=z", "--fast=maybe"]
)
def test_values_outside_type_bounds_and_choices_are_refused(argument: str) -> None:
    with pytest.raises(absl_flags.IllegalFlagValueError):
        parsed("--where=here", argument)


def test_a_required_flag_that_is_missing_is_named_with_its_help() -> None:
    for given in (["--count=2"], ["--where="]):
        with pytest.raises(UsageError, match="--where is required: a place"):
            parsed(*given)


def test_a_type_that_no_flag_can_hold_is_an_error() -> None:
    @dataclasses.dataclass(frozen=True)
    class Odd:
        table: dict[str, int] = flags.option(None, "no flag")

    with pytest.raises(TypeError, match="table"):
        flags.define(Odd, absl_flags.FlagValues())


@pytest.mark.parametrize(
    "config",
    [
        Config(where="a b", count=3, rate=1e-7, fast=True, names=("k=1", "l=0.5"), kind="y"),
        Config(where="here", names=()),
        TrainConfig(data_dir="d", model_dir="m", devices=("GPU:0", "GPU:1")),
        EvaluateConfig(data_dir="d", model_dir="m"),
        PredictConfig(model_dir="m"),
    ],
    ids=lambda config: type(config).__name__,
)
def test_a_saved_flag_file_gives_the_config_back(config: Any, tmp_path: Path) -> None:
    path = tmp_path / "flags.txt"
    path.write_text(flags.to_flags_text(config))
    values = absl_flags.FlagValues()
    absl_flags.DEFINE_string("flagfile", "", "", flag_values=values)
    flags.define(type(config), values)
    values(values.read_flags_from_files(["program", f"--flagfile={path}"], force_gnu=True))
    assert flags.read(type(config), values) == config


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_number_that_is_not_finite_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=f"--rate takes a finite number, received {value}"):
        parsed("--where=here", f"--rate={value}")


@pytest.mark.parametrize("config_class", [TrainConfig, EvaluateConfig, PredictConfig])
def test_every_flag_has_a_help_text_and_a_default_within_its_bounds(
    config_class: type[Any],
) -> None:
    for field in dataclasses.fields(config_class):
        assert field.metadata["help"], field.name
    parsed("--data_dir=d", "--model_dir=m", config_class=TrainConfig)
