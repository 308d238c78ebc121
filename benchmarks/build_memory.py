"""How much memory a build takes for each picture more.

    python -m benchmarks.build_memory

Draws tiny pictures, no two alike, as a folder, as a zip and as a zip in a zip (Kaggle's download),
builds the smaller and the larger number of them with the real command, and tells the most memory
that the command's process and its largest worker had resident (VmHWM), and what one picture more
adds to it. Linux alone counts so.
"""

import contextlib
import dataclasses
import io
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from catdog import cli, flags
from catdog.errors import UsageError

_SIDE = 8
_POLL_SECONDS = 0.02


@dataclasses.dataclass(frozen=True)
class BuildMemoryConfig:
    """The flags of this benchmark."""

    fewer: int = flags.option(12_500, "pictures of the smaller build", lower=2)
    more: int = flags.option(100_000, "pictures of the larger build", lower=3)
    sources: tuple[str, ...] = flags.option(
        ("folder", "zip", "nested"), "what to build from: folder, zip, nested (a zip in a zip)"
    )
    image_size: int = flags.option(64, "side of the stored pictures", lower=8)
    workers: int = flags.option(2, "processes that prepare pictures", lower=1)
    duplicates: str = flags.option("group", "as the command takes it")
    work_dir: str = flags.option(
        "", "folder to draw and build in; empty: the one for temporary files"
    )


@dataclasses.dataclass(frozen=True)
class Peak:
    """The most bytes that were resident in the command's process, and in one of its workers."""

    main: int
    worker: int


def picture(number: int) -> bytes:
    """A JPEG of 8 × 8 pixels; other numbers give others, no two of them near copies."""
    pixels = np.random.default_rng(number).integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def _name(number: int) -> str:
    return f"train/{('cat', 'dog')[number % 2]}.{number // 2}.jpg"


def _folder(path: Path, count: int) -> None:
    (path / "train").mkdir(parents=True)
    for number in range(count):
        (path / _name(number)).write_bytes(picture(number))


def _zip(path: Path, count: int) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            archive.writestr(_name(number), picture(number))


def _nested(path: Path, count: int) -> None:
    inner = path.with_name("train.zip")
    _zip(inner, count)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(inner, inner.name)
    inner.unlink()


SOURCES: dict[str, Callable[[Path, int], None]] = {
    "folder": _folder,
    "zip": _zip,
    "nested": _nested,
}


def _high_water(process: str) -> int:
    """VmHWM in bytes; 0 once the process is gone."""
    with contextlib.suppress(OSError):
        for line in Path("/proc", process, "status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 0


def _children(process: int) -> list[str]:
    with contextlib.suppress(OSError):
        path = Path("/proc", str(process), "task", str(process), "children")
        return path.read_text(encoding="ascii").split()
    return []


def _watched(command: list[str]) -> Peak:
    """The peaks of the command and its children, polled: the last reading of each counts.

    The first one of a child may be its parent's, whose memory it has until it runs its own program.
    """
    main, workers = 0, dict[str, int]()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            main = max(main, _high_water(str(process.pid)))
            for child in _children(process.pid):
                workers[child] = _high_water(child) or workers.get(child, 0)
            time.sleep(_POLL_SECONDS)
    if process.returncode:
        raise UsageError(
            f"the build ended with {process.returncode}; see above why: {' '.join(command)}"
        )
    return Peak(main, max(workers.values(), default=0))


def _built(config: BuildMemoryConfig, folder: Path, kind: str, count: int) -> Peak:
    """The peaks of a build of so many pictures; nothing of it is left."""
    source = folder / (kind if kind == "folder" else f"{kind}.zip")
    output = folder / "built"
    cli.say(f"{kind}: drawing {count} pictures")
    SOURCES[kind](source, count)
    command = [sys.executable, "-m", "data_tools.build_tfrecords", f"--source={source}"]
    command += [f"--output_dir={output}", f"--image_size={config.image_size}"]
    command += [f"--workers={config.workers}", f"--duplicates={config.duplicates}"]
    peak = _watched(command)
    for path in (source, output):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return peak


def _compared(config: BuildMemoryConfig, folder: Path, kind: str) -> dict[str, float]:
    few, many = (_built(config, folder, kind, count) for count in (config.fewer, config.more))
    extra = config.more - config.fewer
    found = {
        "main_mb": round(few.main / 2**20, 1),
        "main_mb_more": round(many.main / 2**20, 1),
        "main_bytes_a_picture": round((many.main - few.main) / extra, 1),
        "worker_mb": round(few.worker / 2**20, 1),
        "worker_mb_more": round(many.worker / 2**20, 1),
        "worker_bytes_a_picture": round((many.worker - few.worker) / extra, 1),
    }
    cli.say(f"{kind}: " + ", ".join(f"{name} {value}" for name, value in found.items()))
    return found


def main(config: BuildMemoryConfig) -> dict[str, Any]:
    """For each kind of source the peaks in MiB of both builds, and the bytes a picture more."""
    if unknown := [kind for kind in config.sources if kind not in SOURCES]:
        raise UsageError(f"--sources are {', '.join(SOURCES)}, received {unknown[0]!r}")
    if config.more <= config.fewer:
        raise UsageError(f"--more must be above --fewer={config.fewer}, received {config.more}")
    folder = Path(tempfile.mkdtemp(dir=config.work_dir or None))
    try:
        found = {kind: _compared(config, folder, kind) for kind in config.sources}
    finally:
        shutil.rmtree(folder)
    return {"fewer": config.fewer, "more": config.more, **found}


if __name__ == "__main__":
    cli.run_main(main, BuildMemoryConfig)
