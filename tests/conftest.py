"""What all tests share: quiet libraries, two logical CPUs for TensorFlow, the real pictures."""

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

REAL_DATA = "CATDOG_REAL_DATA"
REAL_FILES = ("dogs-vs-cats-200px.zip", "petimages-1000.zip")


@functools.cache
def split_cpu() -> tuple[str, ...]:
    """The names of the two logical CPUs that this process has from now on.

    TensorFlow takes the setting only before its first operation, once a process.
    """
    from catdog.cli import import_tensorflow

    tf = import_tensorflow()
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tuple(device.name for device in tf.config.list_logical_devices("CPU"))


def pytest_collection_finish(session: pytest.Session) -> None:
    # A test that imports TensorFlow inside its body would use up the chance for those after it.
    if session.config.option.collectonly:
        return
    if any("two_devices" in getattr(item, "fixturenames", ()) for item in session.items):
        split_cpu()


@pytest.fixture(scope="session")
def two_devices() -> tuple[str, ...]:
    """The names of two logical CPUs, as tf.distribute.MirroredStrategy takes them."""
    return split_cpu()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root folder."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the real pictures; a test that asks for it is skipped where there is none."""
    folder = os.environ.get(REAL_DATA, "")
    if not folder:
        pytest.skip(f"{REAL_DATA} is not set: it names the folder with {', '.join(REAL_FILES)}")
    missing = [name for name in REAL_FILES if not (Path(folder) / name).is_file()]
    if missing:
        pytest.fail(f"{REAL_DATA}={folder} has no {', '.join(missing)}")
    return Path(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "real_data" in fixtures:
            item.add_marker(pytest.mark.real)
        if "repository" in fixtures:
            item.add_marker(pytest.mark.repository)


@dataclasses.dataclass(frozen=True)
class Damage:
    """A way in which a shard breaks.

    Attributes:
      change: its new bytes (None: no file) from its frames and those of another build's shard.
      record: the number of the record that is to blame, given how many there are; None: the file.
      words: a piece of what is said of it.
    """

    change: Callable[[list[bytes], list[bytes]], bytes | None]
    record: Callable[[int], int | None]
    words: str


def _flipped(frame: bytes, place: int) -> bytes:
    return frame[:place] + bytes([frame[place] ^ 4]) + frame[place + 1 :]


def _reframed(frame: bytes, **changes: Any) -> bytes:
    """The frame with other values in its record, and right checksums."""
    from catdog import schema

    example = schema.deserialize(frame[12:-4])
    if "encoded" in changes:
        changes["encoded"] = changes["encoded"](example.encoded)
    return schema.frame(schema.serialize(dataclasses.replace(example, **changes)))


def _with(frames: list[bytes], number: int, *instead: bytes) -> bytes:
    return b"".join([*frames[:number], *instead, *frames[number + 1 :]])


SHARD_DAMAGES = {
    "cut between records": Damage(lambda f, o: b"".join(f[:-2]), lambda n: n - 2, "due"),
    "cut inside a record": Damage(
        lambda f, o: _with(f[:3], 2, f[2][:500]), lambda n: 2, "ends inside the record"
    ),
    "empty": Damage(lambda f, o: b"", lambda n: 0, "due"),
    "missing": Damage(lambda f, o: None, lambda n: None, "the file is missing"),
    "a record twice": Damage(
        lambda f, o: _with(f, 1, f[1], f[1]), lambda n: 2, "the key of record 1"
    ),
    "a flipped bit of the bytes": Damage(
        lambda f, o: _with(f, 2, _flipped(f[2], 300)), lambda n: 2, "checksum of its bytes"
    ),
    "a flipped bit of the length": Damage(
        lambda f, o: _with(f, 2, _flipped(f[2], 1)), lambda n: 2, "checksum of its length"
    ),
    "bytes appended": Damage(
        lambda f, o: b"".join(f) + b"\1" * 20, lambda n: n, "20 bytes that are no record"
    ),
    "two records swapped": Damage(
        lambda f, o: b"".join([f[0], f[3], f[2], f[1], *f[4:]]), lambda n: 1, "it comes where"
    ),
    "another build's shard": Damage(
        lambda f, o: b"".join(o), lambda n: 0, "its key is none of this shard's"
    ),
    "a broken JPEG": Damage(
        lambda f, o: _with(f, 2, _reframed(f[2], encoded=lambda jpeg: jpeg[:-300])),
        lambda n: 2,
        "damaged JPEG",
    ),
    "a label that is no class": Damage(
        lambda f, o: _with(f, 2, _reframed(f[2], label=7)), lambda n: 2, "its label 7 is none"
    ),
}


@pytest.fixture(scope="session")
def shard_damages() -> dict[str, Damage]:
    """The twelve ways in which a shard of at least four records breaks, by name."""
    return SHARD_DAMAGES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "damage_kind" in metafunc.fixturenames:
        metafunc.parametrize("damage_kind", list(SHARD_DAMAGES))
