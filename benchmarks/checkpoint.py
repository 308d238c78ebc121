"""What saving the full state costs a training run.

    python -m benchmarks.checkpoint --data_dir=DATA

The steps of a real run on real pictures, in turns of `--steps`: one turn without a save, one with a
save that begins with it and is written beside it, and so on. A turn with a save ends when the save
is on the disk and the steps are done, so that all that it costs is in the difference.
"""

import dataclasses
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from catdog import cli, flags
from catdog.config import TrainConfig
from catdog.training.precision import PRECISIONS


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
    """The flags of this benchmark."""

    data_dir: str = flags.option(flags.REQUIRED, "folder that build_tfrecords made")
    work_dir: str = flags.option(
        "", "folder to save in, on the disk that matters; empty: the one for temporary files"
    )
    model_option: tuple[str, ...] = flags.option((), "key=value for the model, alexnet")
    batch_size: int = flags.option(TrainConfig.batch_size, "examples a step", lower=1)
    steps: int = flags.option(4, "steps a turn", lower=1)
    rounds: int = flags.option(5, "pairs of turns, beside one to warm up", lower=1)
    minutes: float = flags.option(
        TrainConfig.save_every_minutes,
        "time between two saves that the share is told for",
        lower=0.1,
    )
    precision: str = flags.option("auto", "number format of the layers", choices=PRECISIONS)


@dataclasses.dataclass(frozen=True)
class Turn:
    """Seconds of one turn: by the clock, of all cores together, and until the steps could begin."""

    wall: float
    cpu: float
    pause: float


class Runner:
    """A training run that takes some steps at a time, with or without a save beside them."""

    def __init__(self, config: CheckpointConfig, folder: Path) -> None:
        import numpy as np

        from catdog import experiment
        from catdog.signals import Signals
        from catdog.training.saver import Saver

        settings = TrainConfig(
            data_dir=config.data_dir,
            model_dir=str(folder),
            model_option=config.model_option,
            batch_size=config.batch_size,
            precision=config.precision,
            steps_per_call=1,
        )
        run = experiment.build(settings, signals=Signals(), on_epoch=lambda history: None)
        self._loop = run.loop
        progress = dataclasses.asdict(run.start.progress)
        self._about = run.loop.about | {"progress": progress}
        self._iterator = run.loop.make_iterator(0)
        self._rates = np.full(1, 1e-4, np.float32)
        self._saver = Saver(folder / "checkpoints")
        self._steps = config.steps
        self._done = 0

    def turn(self, *, save: bool) -> Turn:
        """What the next steps took, with a save beside them or without."""
        from catdog.training.saver import Snapshot

        wall, cpu = time.perf_counter(), time.process_time()
        if save:
            variables = self._loop.steps.variables
            self._saver.start([Snapshot("last", self._done, variables, self._about)])
        pause = time.perf_counter() - wall
        for _ in range(self._steps):
            self._loop.steps(self._iterator, self._rates, self._done)
            self._done += 1
        self._saver.wait()
        return Turn(time.perf_counter() - wall, time.process_time() - cpu, pause)


def main(config: CheckpointConfig) -> dict[str, Any]:
    """Medians over the rounds: seconds that a save adds, and its share of the time between two."""
    cli.import_tensorflow()
    folder = Path(tempfile.mkdtemp(dir=config.work_dir or None))
    try:
        runner = Runner(config, folder)
        pairs = []
        for number in range(config.rounds + 1):
            pair = runner.turn(save=False), runner.turn(save=True)
            cli.say(
                f"{f'round {number} of {config.rounds}' if number else 'warm'}: "
                f"{pair[0].wall:.2f} s without, {pair[1].wall:.2f} s with a save"
            )
            if number:  # the first turn traces the step and finds memory
                pairs.append(pair)
        saved = next((folder / "checkpoints").glob("last-*"))
        size = sum(path.stat().st_size for path in saved.iterdir())
    finally:
        shutil.rmtree(folder)
    extra = statistics.median(with_save.wall - without.wall for without, with_save in pairs)
    extra_cpu = statistics.median(with_save.cpu - without.cpu for without, with_save in pairs)
    return {
        "checkpoint_mb": round(size / 1e6, 1),
        "steps_a_turn": config.steps,
        "seconds_without": round(statistics.median(pair[0].wall for pair in pairs), 2),
        "seconds_a_save": round(extra, 3),
        "cpu_seconds_a_save": round(extra_cpu, 3),
        "longest_pause": round(max(pair[1].pause for pair in pairs), 4),
        "percent": round(100 * extra / (60 * config.minutes), 2),
        "cpu_percent": round(100 * extra_cpu / (60 * config.minutes), 2),
    }


if __name__ == "__main__":
    cli.run_main(main, CheckpointConfig)
