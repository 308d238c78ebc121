"""One field of a frozen dataclass is one absl flag: default, help and bounds live there alone."""

import dataclasses
import math
import os
import types
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

from absl import flags as absl_flags

from catdog.errors import UsageError

Config = TypeVar("Config")


class _Required:
    """The default of a flag that has to be given."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()


def option(
    default: Any,
    help_text: str,
    *,
    lower: float | None = None,
    upper: float | None = None,
    choices: Sequence[str] | None = None,
) -> Any:
    """A dataclass field that `define` turns into a flag of the field's name and type."""
    about = {"help": help_text, "lower": lower, "upper": upper, "choices": choices}
    return dataclasses.field(default=default, metadata=about)


def _define_one(field: dataclasses.Field[Any], kind: Any, values: absl_flags.FlagValues) -> None:
    about = field.metadata
    required = field.default is REQUIRED
    default: Any = None if required else field.default
    text = about["help"] + (" (required)" if required else "")
    common = {"name": field.name, "default": default, "help": text, "flag_values": values}
    if about["choices"]:
        absl_flags.DEFINE_enum(enum_values=list(about["choices"]), **common)
    elif kind is bool:
        absl_flags.DEFINE_boolean(**common)
    elif kind is int:
        absl_flags.DEFINE_integer(lower_bound=about["lower"], upper_bound=about["upper"], **common)
    elif kind is float:
        absl_flags.DEFINE_float(lower_bound=about["lower"], upper_bound=about["upper"], **common)
    elif kind is str:
        absl_flags.DEFINE_string(**common)
    elif isinstance(kind, types.GenericAlias) and typing.get_origin(kind) is tuple:
        common["default"] = list(default or ())
        absl_flags.DEFINE_list(**common)
    else:
        raise TypeError(f"field {field.name} has a type that no flag can hold: {kind}")


def define(config_class: type[Any], values: absl_flags.FlagValues) -> None:
    """Defines one flag for each field of the dataclass `config_class` in `values`."""
    kinds = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        _define_one(field, kinds[field.name], values)


def read(config_class: type[Config], values: absl_flags.FlagValues) -> Config:
    """The config that the parsed flags describe.

    Raises:
      UsageError: a required flag is missing or empty, or a number is not finite.
    """
    settings = {}
    for field in dataclasses.fields(config_class):  # type: ignore[arg-type]
        value = values[field.name].value
        if field.default is REQUIRED and value in (None, ""):
            raise UsageError(f"the flag --{field.name} is required: {field.metadata['help']}")
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{field.name} takes a finite number, received {value}")
        if isinstance(value, str) and value.startswith("~"):
            value = os.path.expanduser(value)  # a shell leaves the ~ of --name=~/folder alone
        settings[field.name] = tuple(value) if isinstance(value, list) else value
    return config_class(**settings)


def to_flags_text(config: Any) -> str:
    """The config as a flag file (`--flagfile=`), one flag a line, in the order of the fields."""
    lines = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, bool):
            lines.append(f"--{field.name}" if value else f"--no{field.name}")
        elif isinstance(value, tuple):
            lines.append(f"--{field.name}={','.join(value)}")
        else:
            lines.append(f"--{field.name}={value}")
    return "\n".join(lines) + "\n"
