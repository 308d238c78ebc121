"""What a model is made with, beside its data: the options that a description names, and the rest.

A new run's description names all of them, so that a default may change and what was trained with
the former one stays what it was.
"""

from typing import Any

import keras

from catdog import registry

# A model's keywords that are no options.
_RESERVED = ("num_classes", "mean", "std", "seed", "dtype")


def factory(name: str) -> Any:
    """The model class of this name.

    Raises:
      UsageError: there is none, or it lacks a keyword that every model takes.
    """
    found = registry.find("catdog.models", name, keras.Model)
    registry.check_takes(found, _RESERVED)
    return found


def complete(name: str, given: tuple[str, ...]) -> list[str]:
    """`key=value` of each option of a new model: those given, and the defaults of the others.

    Raises:
      UsageError: there is no such model, or it has no such option.
    """
    model = factory(name)
    registry.options(model, given, _RESERVED)
    return list(registry.complete(model, given, _RESERVED))


def described(description: dict[str, Any]) -> dict[str, Any]:
    """All options of a checkpoint's or a new run's model by their keywords.

    The first checkpoints name only what was given. Where a default has changed since, the model's
    `former_defaults` has the one of then.

    Args:
      description: "name" and "options", `key=value` each.

    Raises:
      UsageError: there is no such model, or it has no such option.
    """
    model = factory(description["name"])
    then = getattr(model, "former_defaults", {})
    given = tuple(f"{key}={value}" for key, value in then.items()) + tuple(description["options"])
    return registry.options(model, registry.complete(model, given, _RESERVED), _RESERVED)
