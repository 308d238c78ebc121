"""Pictures a second from a folder or zip of pictures to TFRecords, beside the usual ways.

    python -m benchmarks.convert --source=petimages-1000.zip

Every turn is a process of its own: it imports what its way needs, TensorFlow among it, and then
does all of the work, of which the seconds are told. For the two ways of this project that is all of
`build_tfrecords`, its worker processes' start included: copies are looked for, shards are read back
and hashed. The last two columns are of the whole process, imports included: what a user waits for.
The ways take turns, so that what else the machine does slows them alike.
"""

import contextlib
import dataclasses
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from benchmarks import _table
from benchmarks._convert_ways import SIDE, WAYS, pictures
from catdog import cli, flags, images
from catdog.errors import UsageError


@dataclasses.dataclass(frozen=True)
class ConvertConfig:
    """The flags of this benchmark."""

    source: str = flags.option(flags.REQUIRED, "folder or zip of labelled pictures")
    ways: tuple[str, ...] = flags.option(
        tuple(WAYS), f"which of {', '.join(WAYS)}; ratios are to the first"
    )
    rounds: int = flags.option(3, "turns of each way", lower=1)
    workers: int = flags.option(0, "processes of the builds and threads of tf.data; 0: the cores")
    turn: str = flags.option("", "what this benchmark calls itself with: one way, once")


@dataclasses.dataclass(frozen=True)
class Turn:
    """One turn of a way: its work alone by the clock and of all cores, and the whole process."""

    pictures: int
    seconds: float
    cpu: float
    process: float


def _cpu() -> float:
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


def _one_turn(config: ConvertConfig) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        work = WAYS[config.turn](config.source, Path(folder), config.workers)
        start, cpu = time.perf_counter(), _cpu()
        count = work()
        seconds = time.perf_counter() - start
        return {"pictures": count, "seconds": seconds, "cpu": _cpu() - cpu}


def _turn(config: ConvertConfig, way: str, workers: int) -> Turn:
    command = [sys.executable, "-m", "benchmarks.convert", f"--source={config.source}"]
    command += [f"--turn={way}", f"--workers={workers}"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    process = time.perf_counter() - start
    if done.returncode:
        raise UsageError(f"the way {way} failed: {done.stderr[-1000:]}")
    return Turn(process=process, **json.loads(done.stdout))


def _psnr(found: np.ndarray, wanted: np.ndarray) -> float:
    error = np.mean((found.astype(np.float64) - wanted) ** 2)
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


def _likeness(source: str) -> dict[str, list[float]]:
    """Median and 5th percentile of the PSNR, dB, to Pillow's bicubic of the whole original.

    Of the pixels that "fast" makes, and of the stored JPEGs of both decoders: what JPEG itself
    loses is in the latter.
    """
    found: dict[str, list[float]] = {"fast pixels": [], "fast stored": [], "pillow stored": []}
    for _, data in pictures(source):
        try:
            fast = images.to_record(data, image_size=SIDE, decoder=images.FAST)
        except images.RejectedPicture:
            continue
        slow = images.to_record(data, image_size=SIDE)
        with Image.open(io.BytesIO(data)) as original:
            square = original.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            wanted = np.asarray(ImageOps.exif_transpose(square), np.float64)
        found["fast pixels"].append(_psnr(fast.pixels, wanted))
        for name, record in (("fast stored", fast), ("pillow stored", slow)):
            with Image.open(io.BytesIO(record.jpeg)) as stored:
                found[name].append(_psnr(np.asarray(stored), wanted))
    return {
        name: [round(float(np.percentile(values, share)), 1) for share in (50, 5)]
        for name, values in found.items()
    }


def _row(way: str, turns: list[Turn], first: list[Turn]) -> dict[str, Any]:
    """Medians over the rounds; a ratio is of two turns of the same round."""
    speeds = [turn.pictures / turn.seconds for turn in turns]
    cpu = [1000 * turn.cpu / turn.pictures for turn in turns]
    ratios = [
        speed * other.seconds / other.pictures for speed, other in zip(speeds, first, strict=True)
    ]
    process = statistics.median(turn.process for turn in turns)
    shorter = statistics.median(
        other.process / other.pictures * turn.pictures / turn.process
        for turn, other in zip(turns, first, strict=True)
    )
    row = {"way": way, **_table.medians(speeds, cpu, ratios)}
    return row | {"process_seconds": round(process, 2), "process_ratio": round(shorter, 3)}


def main(config: ConvertConfig) -> dict[str, Any]:
    """A row of medians for each way, and how like Pillow's the pictures of "fast" are.

    Raises:
      UsageError: a way that there is not, or one that fails.
    """
    if config.turn:
        return _one_turn(config)
    if not config.ways or {*config.ways} - {*WAYS}:
        raise UsageError(f"--ways takes some of {', '.join(WAYS)}, received {config.ways or ''}")
    workers = config.workers or len(os.sched_getaffinity(0))
    turns: dict[str, list[Turn]] = {way: [] for way in config.ways}
    for number in range(config.rounds):
        for way, done in turns.items():
            done.append(_turn(config, way, workers))
            cli.say(f"round {number + 1} of {config.rounds}: {way} {done[-1].seconds:.2f} s")
    rows = [_row(way, done, turns[config.ways[0]]) for way, done in turns.items()]
    _table.say(rows)
    result: dict[str, Any] = {"workers": workers, "ways": rows}
    if "build_fast" in turns:
        result["psnr"] = _likeness(config.source)
        for name, (median, low) in result["psnr"].items():
            cli.say(f"PSNR of {name} to Pillow's bicubic: median {median} dB, 5 % below {low}")
    return result


if __name__ == "__main__":
    cli.run_main(main, ConvertConfig)
