"""A training process with failpoints: what `python -m catdog.train` runs, as it runs it.

The request is the global REQUEST, or the first argument as JSON:

  arguments: the flags.
  log: the file that takes what the process prints.
  points: [place, nth, signal], such as ["os:fsync", 3, 9]: the process sends itself the signal when
    the function at this place is called for the nth time; with a fourth element "after", when it
    has returned.
  file_bytes: RLIMIT_FSIZE, if any.
  cpus: logical CPUs.
  archive: the folder that takes the checkpoints that would be removed, if any.
"""

import json
import os
import pkgutil
import resource
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

THREADS = "/proc/{}/task"


def install(place: str, nth: int, number: int, when: str = "before") -> None:
    """Replaces the function at `place` by itself with the failpoint."""
    path, _, name = place.rpartition("." if "." in place.partition(":")[2] else ":")
    owner = pkgutil.resolve_name(path)
    function = getattr(owner, name)
    calls, lock = 0, threading.Lock()

    def wrapped(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        with lock:
            calls += 1
            reached = calls == nth
        if reached and when == "before":
            _signal(number)
        result = function(*arguments, **options)
        if reached and when == "after":
            _signal(number)
        return result

    setattr(owner, name, wrapped)


def _archive(folder: Path) -> None:
    """Keeps what training removes, each checkpoint under its name."""
    from catdog.training import checkpoints

    folder.mkdir(exist_ok=True)

    def move(checkpoint: Path) -> None:
        # A number that is saved again is the end of its epoch, validation and all.
        shutil.rmtree(folder / checkpoint.name, ignore_errors=True)
        checkpoint.rename(folder / checkpoint.name)

    checkpoints._remove = move


def _signal(number: int) -> None:
    print(f"failpoint at {time.time()}", file=sys.stderr, flush=True)
    os.kill(os.getpid(), number)


def run(request: dict[str, Any]) -> None:
    """Trains and exits."""
    # A fork takes along only the thread that called it, and every lock that another one held.
    if "forked" in request and len(os.listdir(THREADS.format(os.getppid()))) != 1:
        sys.exit("the process that is forked has threads")
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    if request.get("file_bytes"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_bytes"],) * 2)
    sys.argv = ["catdog.train", *request["arguments"]]
    for point in request.get("points", ()):
        install(*point)
    if request.get("archive"):
        _archive(Path(request["archive"]))
    from catdog import train

    if request.get("cpus", 1) > 1:
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        logical = [tf.config.LogicalDeviceConfiguration()] * request["cpus"]
        tf.config.set_logical_device_configuration(cpu, logical)

    train.run()


if __name__ == "__main__":
    run(globals().get("REQUEST") or json.loads(sys.argv[1]))
