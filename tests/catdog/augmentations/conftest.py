"""What the tests of this room share: an augmentation by its name, whatever its constructor asks."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from catdog import registry
from catdog.augmentations._augmentation import Augmentation

Make = Callable[..., Augmentation]

# Near those of real pictures: three channels that go together, red a little brighter.
STATISTICS = {
    "mean": (124.6, 116.2, 106.4),
    "std": (67.2, 65.4, 66.9),
    "covariance": (
        (4515.8, 4150.2, 3850.1),
        (4150.2, 4277.2, 4080.3),
        (3850.1, 4080.3, 4475.6),
    ),
}


@pytest.fixture(scope="session")
def reserved() -> dict[str, Any]:
    """The keywords that an augmentation's constructor may name and no user may set."""
    return {"image_size": 227, **STATISTICS}


@pytest.fixture(scope="session")
def make_augmentation(reserved: dict[str, Any]) -> Make:
    """`make_augmentation("mixup", alpha=1.0)`: of the model size 227, with these options."""

    def make(name: str, *, image_size: int = 227, **options: Any) -> Augmentation:
        factory: Any = registry.find("catdog.augmentations", name, Augmentation)
        named = inspect.signature(factory).parameters
        given = {key: value for key, value in reserved.items() if key in named}
        return factory(**given | {"image_size": image_size}, **options)

    return make
