"""Pictures a second that models train, side by side in one process.

    python -m benchmarks.model_speed --rounds=5
    python -m benchmarks.model_speed --models=alexnet:variant=fixed,resnet:depth=18 --batch_size=16

Pictures are random and lie in memory already, so that this is the speed of the training step alone.
The models take turns: what else the machine does meanwhile slows them alike, and the ratios to the
first model stay meaningful where the speeds do not.
"""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import _table
from catdog import cli, flags
from catdog.errors import UsageError
from catdog.training.precision import PRECISIONS

_CLASSES = 2
_MEAN, _STD = (124.0, 116.0, 106.0), (66.0, 65.0, 67.0)
_LEARNING_RATE = 1e-4  # small: labels are random, and a loss of NaN may take another time


@dataclasses.dataclass(frozen=True)
class ModelSpeedConfig:
    """The flags of this benchmark."""

    models: tuple[str, ...] = flags.option(
        (
            "alexnet:variant=fixed",
            "alexnet:variant=published",
            "alexnet:variant=paper",
            "alexnet:variant=modern",
        ),
        "NAME:key=value:… with files of catdog/models; ratios are to the first",
    )
    width: float = flags.option(1.0, "width of all of them", lower=0.0)
    batch_size: int = flags.option(64, "pictures a step", lower=1)
    steps: int = flags.option(4, "steps a model takes when it is its turn", lower=1)
    rounds: int = flags.option(5, "turns of each model, beside one to warm up", lower=1)
    precision: str = flags.option("auto", "number format of the layers", choices=PRECISIONS)
    devices: tuple[str, ...] = flags.option((), "such as GPU:0; none: every GPU, or the CPU")
    xla: bool = flags.option(False, "compile the step with XLA")


@dataclasses.dataclass(frozen=True)
class Turn:
    """Seconds of one turn: by the clock, and of all cores together."""

    wall: float
    cpu: float


class Runner:
    """One model with all that it takes to train it.

    Args:
      entry: NAME:key=value:… as in the flag.
      config: the flags.
      strategy: its devices.
    """

    def __init__(self, entry: str, config: ModelSpeedConfig, strategy: Any) -> None:
        import numpy as np

        from catdog import parts
        from catdog.optimizers.momentum import Momentum
        from catdog.training import precision
        from catdog.training.steps import Settings, TrainSteps

        name, *options = entry.split(":")
        chosen = precision.resolve(config.precision, strategy.extended.worker_devices)
        description = {
            "name": name,
            "options": [*options, f"width={config.width}"],
            "num_classes": _CLASSES,
            "mean": _MEAN,
            "std": _STD,
        }
        settings = Settings(
            batch_size=config.batch_size,
            weight_decay=5e-4,
            decay_biases=False,
            label_smoothing=0.1,
            dropout_key=1,
            loss_scaling=chosen == "float16",
            xla=config.xla,
            longest_call=config.steps,
        )
        with strategy.scope():
            model = parts.make_model(description, seed=0, dtype=precision.policy(chosen))
            self._steps = TrainSteps(model, Momentum(), strategy, settings)
        self._iterator = _random_batches(model.image_size, config.batch_size, strategy)
        self._rates = np.full(config.steps, _LEARNING_RATE, np.float32)
        self._done = 0

    def turn(self) -> Turn:
        """What the next `steps` steps took."""
        wall, cpu = time.perf_counter(), time.process_time()
        self._steps(self._iterator, self._rates, self._done)
        self._done += len(self._rates)
        return Turn(time.perf_counter() - wall, time.process_time() - cpu)


def _random_batches(image_size: int, batch_size: int, strategy: Any) -> Any:
    """An iterator that gives the same batch for ever."""
    import numpy as np
    import tensorflow as tf

    from catdog.training import distribution

    share = distribution.slice_of(strategy, batch_size).replica_batch_size
    rng = np.random.default_rng(0)
    labels = rng.integers(0, _CLASSES, share).astype(np.int32)
    batch = {
        "images": rng.integers(0, 256, (share, image_size, image_size, 3), dtype=np.uint8),
        "labels": labels,
        "targets": np.eye(_CLASSES, dtype=np.float32)[labels],
        "ids": np.arange(share),
        "weights": np.ones(share, np.float32),
    }
    return distribution.distributed_iterator(
        strategy, lambda: tf.data.Dataset.from_tensors(batch).repeat()
    )


def _row(entry: str, turns: Sequence[Turn], first: Sequence[Turn], pictures: int) -> dict[str, Any]:
    """Medians over the rounds; a ratio is of two turns of the same round."""
    speeds = [pictures / turn.wall for turn in turns]
    cpu = [1000 * turn.cpu / pictures for turn in turns]
    ratios = [other.wall / turn.wall for turn, other in zip(turns, first, strict=True)]
    return {"model": entry, **_table.medians(speeds, cpu, ratios)}


def main(config: ModelSpeedConfig) -> dict[str, Any]:
    """A row of medians for each model.

    Raises:
      UsageError: no models, or one that there is not.
    """
    if not config.models:
        raise UsageError("--models needs at least one entry, such as alexnet:variant=fixed")
    cli.import_tensorflow()
    from catdog.training import distribution

    strategy = distribution.make_strategy(config.devices)
    runners = {entry: Runner(entry, config, strategy) for entry in config.models}
    turns: dict[str, list[Turn]] = {entry: [] for entry in runners}
    for number in range(config.rounds + 1):
        for entry, runner in runners.items():
            turn = runner.turn()
            if number:  # the first turn traces the step and finds memory
                turns[entry].append(turn)
        cli.say(f"round {number} of {config.rounds}" if number else "warm")
    pictures = config.steps * config.batch_size
    first = turns[config.models[0]]
    rows = [_row(entry, own, first, pictures) for entry, own in turns.items()]
    _table.say(rows)
    return {"batch_size": config.batch_size, "width": config.width, "models": rows}


if __name__ == "__main__":
    cli.run_main(main, ModelSpeedConfig)
