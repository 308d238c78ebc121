"""What the tests of workers share: how a task ends its worker, and what is then said of it."""

import pytest

ENDINGS = {
    "segfault": "ends the decoder (Segmentation fault)",
    "abort": "ends the decoder (Aborted)",
    "killed": "ends the decoder (Killed)",
    "exit": "ends the decoder (exit 9)",
    "memory": "takes more memory than a picture may have",
    "loop": "takes more processor time than a picture may have",
    "hang": "takes more time than a picture may have",
}


@pytest.fixture(scope="session")
def endings() -> dict[str, str]:
    """What `worker_acts.act` can be told to end its worker with, and the reason that is given."""
    return ENDINGS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "ending" in metafunc.fixturenames:
        metafunc.parametrize("ending", list(ENDINGS))
