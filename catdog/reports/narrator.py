"""Tells on the terminal how a training run goes."""

from typing import Any

from catdog import cli


class Narrator:
    """A meter within each epoch, a line after it.

    Args:
      epochs: how many there will be.
      steps_per_epoch: how many steps each has.
    """

    def __init__(self, *, epochs: int, steps_per_epoch: int) -> None:
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._meter: cli.Meter | None = None

    def tell_steps(self, records: list[dict[str, Any]]) -> None:
        """Takes the records of the steps since the last time."""
        if self._meter is None:
            what = f"epoch {records[-1]['epoch']}/{self._epochs}, steps"
            done = records[0]["step"] % self._steps_per_epoch
            self._meter = cli.Meter(self._steps_per_epoch, what, done=done)
        self._meter.advance(len(records), f"loss {records[-1]['cross_entropy']:.4f}")

    def tell_epoch(self, history: list[dict[str, Any]]) -> None:
        """Takes the records of all epochs and prints the line of the last one."""
        if self._meter is not None:
            self._meter.close()
        self._meter = None
        cli.say(epoch_line(history[-1], self._epochs))


def epoch_line(record: dict[str, Any], epochs: int) -> str:
    """What an epoch brought, on one line; a star marks the best so far."""
    scores = "".join(
        f"  {key.replace('_', ' ')} {value:.4f}"
        for key, value in record.items()
        if key.startswith("validation_") and key != "validation_seconds"
    )
    waited = record["data_wait_percent"]
    wait = "" if waited is None else f"  waited for data {waited} %"
    return (
        f"epoch {record['epoch']}/{epochs}  loss {record['train_cross_entropy']:.4f}"
        f" + L2 {record['l2']:.4f}  accuracy {record['train_accuracy']:.4f}{scores}"
        f"{' *' if record['is_best'] else ''}  rate {record['learning_rate']:.2g}"
        f"  {record['pictures_per_second']} pictures/s{wait}"
    )
