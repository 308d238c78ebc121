"""What all tests share: quiet libraries, equal bits, two logical CPUs, the real pictures."""

import dataclasses
import fcntl
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # its bits differ from run to run
# A shell makes what it starts in the background deaf to Ctrl-C, and tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
        if "browser" in fixtures:
            item.add_marker(pytest.mark.browser)
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


def _frames(content: bytes) -> list[bytes]:
    found, start = [], 0
    while start < len(content):
        end = start + 16 + int.from_bytes(content[start : start + 8], "little")
        found.append(content[start:end])
        start = end
    return found


@pytest.fixture(scope="session")
def frames_of() -> Callable[[bytes], list[bytes]]:
    """`frames_of(content)`: the frames of a sound shard, by their lengths alone."""
    return _frames


@pytest.fixture(scope="session")
def shard_damages() -> dict[str, Damage]:
    """The twelve ways in which a shard of at least four records breaks, by name."""
    return SHARD_DAMAGES


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "damage_kind" in metafunc.fixturenames:
        metafunc.parametrize("damage_kind", list(SHARD_DAMAGES))


# Gives the process the two ends of pipes that --remote-debugging-pipe wants as 3 and 4.
_WITH_PIPES = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """Headless Chromium with one page, driven by its DevTools protocol over a pipe.

    Attributes:
      requests: the URLs that the page asked for since `open`, itself left out.
      complaints: what its console and its security policy said since `open`.
    """

    def __init__(self, program: str, profile: Path) -> None:
        (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
        high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        flags += ["--remote-debugging-pipe", "--disable-dev-shm-usage"]
        command = [program, *flags, f"--user-data-dir={profile}", "about:blank"]
        pipes = list(map(str, high))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WITH_PIPES, *pipes, *command],
            pass_fds=high,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (theirs_in, theirs_out, *high):
            os.close(end)
        self._out, self._in = ours_out, ours_in
        self._waiting, self._number, self._session = b"", 0, ""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to the command."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            read = os.read(self._in, 1 << 16)
            assert read, "the browser went away"
            self._waiting += read
        message, self._waiting = self._waiting.split(b"\0", 1)
        return dict(json.loads(message))

    def _note(self, event: dict[str, Any]) -> None:
        method, about = event.get("method", ""), event.get("params", {})
        if method == "Network.requestWillBeSent" and not about["request"]["url"].startswith(
            "data:"
        ):
            self.requests.append(about["request"]["url"])
        if method in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
            self.complaints.append(json.dumps(about))

    def open(self, url: str, *, width: int = 1440, height: int = 900, dark: bool = False) -> None:
        """Shows the page in a window of this size, and returns when it is loaded."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url="about:blank")
        self.requests, self.complaints = [], []
        self.call("Page.navigate", url=url)
        until = time.monotonic() + 60
        loaded = "location.protocol !== 'about:' && document.readyState === 'complete'"
        while not self.evaluate(loaded):
            assert time.monotonic() < until, f"{url} does not load"
            time.sleep(0.05)
        self.requests = [request for request in self.requests if request != url.split("#")[0]]

    def evaluate(self, expression: str) -> Any:
        """The value of the JavaScript expression in the page; a promise is waited for."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, text: str) -> None:
        """Types the text into what has the focus."""
        self.call("Input.insertText", text=text)

    def close(self) -> None:
        """Ends the browser."""
        os.close(self._out)
        os.close(self._in)
        self._process.terminate()
        self._process.wait(timeout=30)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium; a test that asks for it is skipped where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    started = Browser(program, tmp_path_factory.mktemp("profile"))
    yield started
    started.close()
