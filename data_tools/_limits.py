"""How much a task of a worker process may take."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a task may take: bytes beside those its process begins with, processor and wall seconds.

    The largest picture that is accepted, 50 megapixels, takes 1 to 2 s on a slow core.
    """

    more_bytes: int = 262 * 2**20
    cpu_seconds: float = 60.0
    wall_seconds: float = 600.0

    @classmethod
    def of(cls, image_size: int) -> "Limits":
        """The limits where pictures are stored as squares of this side: copies of it come on top.

        At 256 pixels it is a worker of 300 MB: Python, numpy and Pillow have about 40 of them.
        """
        return cls(more_bytes=(260 * 2**20) + 32 * image_size**2)


@dataclasses.dataclass(frozen=True)
class Job:
    """What is done with each task, in so many seconds of processor (0: any) and of wall time."""

    function: Callable[[Any, Any], Any]
    cpu_seconds: float
    wall_seconds: float


def core_count() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
