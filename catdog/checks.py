"""Settings from Python code, held to what the flags of the same names are held to."""

import dataclasses
import math
import os
import typing
from pathlib import Path
from typing import Any, TypeVar

from catdog import flags
from catdog.errors import UsageError

Config = TypeVar("Config")


def checked(config: Config) -> Config:
    """The same settings as a command would have them: paths as text, lists as tuples, ~ expanded.

    Args:
      config: a frozen dataclass of `flags.option` fields.

    Raises:
      UsageError: a setting is missing, of another type, out of its bounds, or none of the choices.
    """
    kinds = typing.get_type_hints(type(config))
    found = {
        field.name: _checked(field, kinds[field.name], getattr(config, field.name))
        for field in dataclasses.fields(config)  # type: ignore[arg-type]
    }
    return dataclasses.replace(config, **found)  # type: ignore[type-var]


def _checked(field: dataclasses.Field[Any], kind: Any, value: Any) -> Any:
    about, name = field.metadata, field.name
    if field.default is flags.REQUIRED and (value is flags.REQUIRED or value == ""):
        raise UsageError(f"{name} is required: {about['help']}")
    value = _plain(value)
    right = tuple if typing.get_origin(kind) is tuple else kind
    if right is float and type(value) is int:
        value = float(value)
    if type(value) is not right or (right is tuple and {str} < {str, *map(type, value)}):
        wanted = "texts in a tuple" if right is tuple else f"a value of type {right.__name__}"
        raise UsageError(f"{name} takes {wanted}, received {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{name} takes a finite number, received {value}")
    for bound, wrong in (("lower", lambda v, b: v < b), ("upper", lambda v, b: v > b)):
        if about[bound] is not None and wrong(value, about[bound]):
            most = "at least" if bound == "lower" else "at most"
            raise UsageError(f"{name} must be {most} {about[bound]}, received {value}")
    if about["choices"] and value not in about["choices"]:
        raise UsageError(f"{name} must be one of {', '.join(about['choices'])}, received {value!r}")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list):
        return tuple(map(_plain, value))
    if isinstance(value, str) and value.startswith("~"):
        return os.path.expanduser(value)
    return value
