"""What all tests share: quiet libraries, two logical CPUs for TensorFlow, the real pictures."""

import functools
import os
from pathlib import Path

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
