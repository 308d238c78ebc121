"""Probabilities for every example of a data set, each exactly once, on any number of devices."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from catdog.data import order
from catdog.errors import IntegrityError, NumericError
from catdog.training import distribution


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Joined by id: row i belongs to example i.

    Attributes:
      labels: int64 [N].
      probabilities: float32 [N, C], each row the mean of the softmax over the views.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]


class UnusableRecords(IntegrityError):
    """Records that could not be read; `examples` are their numbers in the split."""

    def __init__(self, examples: list[int]) -> None:
        super().__init__(
            f"the records of the examples {', '.join(map(str, examples))} cannot be used; run "
            "python -m data_tools.verify_tfrecords"
        )
        self.examples = examples


class Predictor:
    """Averages a model's probabilities over views of whole pictures.

    Args:
      model: uint8 images [B, size, size, 3] -> float32 logits [B, C].
      strategy: the devices.
      cut: a function of `catdog.data.views`.
    """

    def __init__(
        self,
        model: Any,
        strategy: tf.distribute.Strategy,
        cut: Callable[[Any, int], Any],
    ) -> None:
        self._model = model
        self._strategy = strategy
        self._cut = cut

    def _replica_step(self, batch: dict[str, Any]) -> tuple[Any, ...]:
        views = self._cut(batch["images"], self._model.image_size)
        # One view at a time: ten views of a batch at once would need ten times the memory.
        probabilities = tf.map_fn(
            lambda view: tf.nn.softmax(self._model(view)),
            views,
            fn_output_signature=tf.float32,
            parallel_iterations=1,
        )
        return batch["ids"], batch["labels"], tf.reduce_mean(probabilities, axis=0)

    @tf.function
    def _step(self, iterator: Any) -> list[Any]:
        results = self._strategy.run(self._replica_step, args=(next(iterator),))
        return [self._strategy.gather(result, axis=0) for result in results]

    def _results(self, iterator: Any) -> list[NDArray[Any]]:
        """ids, labels and probabilities of one step."""
        ids, labels, probabilities = (part.numpy() for part in self._step(iterator))
        unusable = order.bad_examples(ids)
        if unusable:
            raise UnusableRecords(unusable)
        return [ids, labels, probabilities]

    def __call__(
        self,
        make_dataset: Callable[[], tf.data.Dataset],
        *,
        examples: int,
        batch_size: int,
        progress: Callable[[Iterable[int], int], Iterable[int]] = lambda steps, total: steps,
    ) -> Predictions:
        """The predictions for `examples` examples.

        Args:
          make_dataset: gives one replica's batches, padded with id -1.
          examples: how many there must be.
          batch_size: of all replicas together.
          progress: wraps the range of steps, to show how far it is.

        Raises:
          UnusableRecords: a record is no example, or its picture is damaged.
          IntegrityError: an example came twice or not at all.
          NumericError: a probability is NaN.
        """
        iterator = distribution.distributed_iterator(self._strategy, make_dataset)
        steps = -(-examples // batch_size)
        found = [self._results(iterator) for _ in progress(range(steps), steps)]
        ids, labels, probabilities = (np.concatenate(parts) for parts in zip(*found, strict=True))
        real = ids >= 0
        ids, labels, probabilities = ids[real], labels[real], probabilities[real]
        places = np.argsort(ids, kind="stable")
        if not np.array_equal(ids[places], np.arange(examples)):
            raise IntegrityError(
                f"{examples} examples were due once each, {len(ids)} came "
                f"({len(np.unique(ids))} different ones); rebuild the data set"
            )
        if not np.isfinite(probabilities).all():
            raise NumericError(
                "the model gives NaN for some pictures, it has diverged; train it again with a "
                "lower --learning_rate"
            )
        return Predictions(labels[places].astype(np.int64), probabilities[places])
