"""Find a room's class by name: the file's name is the flag's value.

`find("catdog.models", "alexnet", keras.Model)` imports `catdog.models.alexnet` and returns the
one public subclass of the contract that the module defines. There is nothing to register.
"""

import difflib
import importlib
import inspect
import math
import pkgutil
from collections.abc import Collection, Iterable
from typing import Any, TypeVar

from catdog.errors import UsageError

Contract = TypeVar("Contract")


def names(room: str) -> list[str]:
    """The public module names in the package `room`, sorted; importing none of them."""
    package = importlib.import_module(room)
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name[0] != "_")


def find(room: str, name: str, contract: type[Contract]) -> type[Contract]:
    """The one public subclass of `contract` in the module `room`.`name`.

    Raises:
      UsageError: there is no such module, and the message lists those there are; or it cannot be
        imported.
      TypeError: the module does not define one public class of the contract.
    """
    known = names(room)
    if name not in known:
        kind = room.rpartition(".")[2]
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(f"unknown name {name!r} in {kind}: choose from {', '.join(known)}{hint}")
    module = _imported(f"{room}.{name}")
    found = [
        value
        for key, value in vars(module).items()
        if key[0] != "_"
        and inspect.isclass(value)
        and issubclass(value, contract)
        and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(
            f"{module.__name__} must define exactly one public subclass of "
            f"{contract.__name__}, it defines {len(found)}"
        )
    return found[0]


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except Exception as error:
        where = module.replace(".", "/")
        raise UsageError(
            f"{where}.py cannot be imported ({type(error).__name__}: {error}); mend it"
        ) from error


def _converted(text: str, annotation: Any, key: str) -> Any:
    """`text` as the type that the keyword's annotation asks for."""
    try:
        if annotation is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if annotation in (int, float):
            number = annotation(text)
            if not math.isfinite(number):
                raise ValueError(text)
            return number
    except (KeyError, ValueError):
        raise UsageError(
            f"option {key} takes a value of type {annotation.__name__}, received {text!r}"
        ) from None
    return text


def check_takes(factory: type, keywords: Iterable[str]) -> None:
    """Raises UsageError when the constructor does not take all of the keywords."""
    known = inspect.signature(factory).parameters
    if missing := [key for key in keywords if key not in known]:
        raise UsageError(
            f"{factory.__name__} of {factory.__module__} must take the keywords "
            f"{', '.join(keywords)}; it lacks {', '.join(missing)}"
        )


def _parameters(factory: type, reserved: Collection[str]) -> dict[str, inspect.Parameter]:
    """The constructor's keywords that a user may set."""
    return {
        key: parameter
        for key, parameter in inspect.signature(factory).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and key not in reserved
    }


def options(factory: type, given: tuple[str, ...], reserved: Collection[str]) -> dict[str, Any]:
    """Keywords for `factory` from `key=value` strings, converted by its annotations.

    `reserved` are the keywords that the caller passes itself: a user may not set them this way. Of
    two entries with one key the later counts.

    Raises:
      UsageError: an entry that is no `key=value`, an unknown key (the message lists the valid
        ones) or a value of another type.
    """
    parameters = _parameters(factory, reserved)
    keywords = {}
    for entry in given:
        key, equals, text = entry.partition("=")
        if not equals:
            raise UsageError(f"an option is written key=value, received {entry!r}")
        if key not in parameters:
            valid = ", ".join(parameters) or "none"
            raise UsageError(f"{factory.__name__} has no option {key!r}; its options: {valid}")
        keywords[key] = _converted(text, parameters[key].annotation, key)
    return keywords


def complete(factory: type, given: tuple[str, ...], reserved: Collection[str]) -> tuple[str, ...]:
    """The entries of `given` and, as `key=value` too, the defaults of all other options."""
    named = {entry.partition("=")[0] for entry in given}
    return given + tuple(
        f"{key}={parameter.default}"
        for key, parameter in _parameters(factory, reserved).items()
        if key not in named and isinstance(parameter.default, bool | int | float | str)
    )
