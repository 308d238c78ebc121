"""The training step: the only place where gradients are taken."""

import contextlib
import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from catdog.optimizers._optimizer import Optimizer
from catdog.training import objective
from catdog.training.updates import UpdateRules, Updates


@dataclasses.dataclass(frozen=True)
class StepResults:
    """What a call of `TrainSteps` measured; all arrays have one row for each step.

    Attributes:
      cross_entropies: mean over the examples of the batch, with label smoothing, mixing and
        class weights as it is minimised.
      correct: examples whose most probable class was right, dropout and augmentation on.
      examples: examples in the batch without padding.
      ids: int64 [steps, batch], the examples' numbers in the split; -1 for padding, and -2 - i for
        number i if it could not be read.
      losses: float32 [steps, batch], the cross-entropy of each before class weights.
      l2: weight_decay · Σ w²/2 after the last of the steps.
      waited: seconds that the steps together waited for data; None where nobody looked.
    """

    cross_entropies: NDArray[np.float32]
    correct: NDArray[np.float32]
    examples: NDArray[np.float32]
    ids: NDArray[np.int64]
    losses: NDArray[np.float32]
    l2: float
    waited: float | None


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a step computes; the fields are those of the training config.

    Attributes:
      dropout_key: of the dropout masks, beside the step's number.
      longest_call: most steps in one call.
      timed: whether to measure `StepResults.waited`, which deterministic operations cannot.
      accumulate_steps: parts that each replica's batch is computed in, one after the other.
      class_weights: a factor for the loss of each class; none for all alike.
    """

    batch_size: int
    weight_decay: float
    decay_biases: bool
    label_smoothing: float
    dropout_key: int
    loss_scaling: bool
    xla: bool
    longest_call: int = 1
    timed: bool = True
    clip_norm: float = 0.0
    ema_decay: float = 0.0
    accumulate_steps: int = 1
    class_weights: tuple[float, ...] = ()

    @property
    def update_rules(self) -> UpdateRules:
        """The settings of the updates."""
        return UpdateRules(
            weight_decay=self.weight_decay,
            decay_biases=self.decay_biases,
            clip_norm=self.clip_norm,
            ema_decay=self.ema_decay,
            loss_scaling=self.loss_scaling,
        )


class TrainSteps:
    """Runs training steps on every replica of a strategy.

    Build it inside `strategy.scope()`, with a model that has been called once.

    Attributes:
      variables: {name: tf.Variable} of all that training changes; see `Updates`.
    """

    def __init__(
        self, model: Any, optimizer: Optimizer, strategy: tf.distribute.Strategy, settings: Settings
    ) -> None:
        self._model = model
        self._strategy = strategy
        self._settings = settings
        self._longest = settings.longest_call
        self._updates = Updates(model, optimizer, strategy, settings.update_rules)
        self.variables: dict[str, Any] = self._updates.variables
        self._forward_backward = tf.function(
            self._replica_step, jit_compile=True if settings.xla else None
        )

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Inside of it the model has the averages of its weights, where there are any."""
        return self._updates.averaged()

    def _part(self, batch: dict[str, Any], step: Any, first_row: Any) -> tuple[list[Any], Any, Any]:
        """Gradients, sums and losses of the rows of the whole batch from `first_row` on."""
        settings = self._settings
        place = [settings.dropout_key, step, first_row, settings.batch_size]
        seed = tf.stack([tf.cast(number, tf.int64) for number in place])
        with tf.GradientTape() as tape:
            logits = self._model(batch["images"], seed=seed)
            losses = objective.cross_entropies(
                batch["targets"], logits, label_smoothing=settings.label_smoothing
            )
            weights = objective.example_weights(
                batch["weights"], batch["targets"], settings.class_weights
            )
            loss = tf.reduce_sum(losses * weights) / settings.batch_size
            scaled = loss * self._updates.scale
        gradients = tape.gradient(scaled, self._updates.weights)
        right = tf.argmax(logits, axis=1, output_type=tf.int32) == batch["labels"]
        correct = tf.reduce_sum(tf.cast(right, tf.float32) * batch["weights"])
        return gradients, tf.stack([loss, correct, tf.reduce_sum(batch["weights"])]), losses

    def _replica_step(self, batch: dict[str, Any], step: Any) -> tuple[list[Any], Any, Any]:
        """Gradients, sums and losses of one replica's part of the batch."""
        parts = self._settings.accumulate_steps
        replica = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)
        rows = self._settings.batch_size // self._strategy.num_replicas_in_sync // parts
        first_row = replica * rows * parts
        if parts == 1:
            return self._part(batch, step, first_row)

        def add(done: Any, gradients: list[Any], sums: Any, losses: Any) -> tuple[Any, ...]:
            own = {k: tf.reshape(v, [parts, rows, *v.shape[1:]])[done] for k, v in batch.items()}
            more, new_sums, new_losses = self._part(own, step, first_row + done * rows)
            gradients = [a + b for a, b in zip(gradients, more, strict=True)]
            return done + 1, gradients, sums + new_sums, losses.write(done, new_losses)

        zeros = [tf.zeros_like(weight) for weight in self._updates.weights]
        losses = tf.TensorArray(tf.float32, size=parts, element_shape=[rows])
        _, gradients, sums, losses = tf.while_loop(
            lambda done, gradients, sums, losses: done < parts,
            add,
            (0, zeros, tf.zeros([3]), losses),
            parallel_iterations=1,  # one part in memory at a time is what this is for
        )
        return gradients, sums, losses.concat()

    def _one_step(self, batch: Any, learning_rate: Any, step: Any) -> tuple[Any, Any]:
        """Of all replicas, float32: [3] cross-entropy, correct, examples; [batch] losses."""
        per_replica, sums, losses = self._strategy.run(self._forward_backward, args=(batch, step))
        gradients = self._strategy.extended.batch_reduce_to(
            tf.distribute.ReduceOp.SUM, list(zip(per_replica, self._updates.weights, strict=True))
        )
        self._updates.apply(gradients, learning_rate, step)
        total = self._strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)
        return total, self._strategy.gather(losses, axis=0)

    def _now(self) -> Any:
        return tf.timestamp() if self._settings.timed else tf.constant(0.0, tf.float64)

    @tf.function
    def _run(
        self, iterator: Any, learning_rates: Any, count: Any, first_step: Any
    ) -> tuple[Any, ...]:
        rows = self._settings.batch_size
        sums = tf.TensorArray(tf.float32, size=count, element_shape=[3])
        ids = tf.TensorArray(tf.int64, size=count, element_shape=[rows])
        losses = tf.TensorArray(tf.float32, size=count, element_shape=[rows])
        waited = tf.constant(0.0, tf.float64)
        for place in tf.range(count):
            asked = self._now()
            batch = next(iterator)
            with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
                waited += self._now() - asked
            step = first_step + tf.cast(place, tf.int64)
            total, own_losses = self._one_step(batch, learning_rates[place], step)
            sums = sums.write(place, total)
            ids = ids.write(place, self._strategy.gather(batch["ids"], axis=0))
            losses = losses.write(place, own_losses)
        return sums.stack(), ids.stack(), losses.stack(), self._updates.l2(), waited

    def __call__(
        self, iterator: Any, learning_rates: NDArray[np.float32], first_step: int
    ) -> StepResults:
        """Takes one step for each learning rate, the first of them number `first_step`."""
        count = len(learning_rates)
        # The rates always have the length of the longest call: another one would be traced again.
        self._longest = max(self._longest, count)
        rates = np.zeros(self._longest, np.float32)
        rates[:count] = learning_rates
        sums, ids, losses, l2, waited = self._run(
            iterator, tf.constant(rates), tf.constant(count), tf.constant(first_step, tf.int64)
        )
        sums = sums.numpy()
        examples = sums[:, 2]
        means = sums[:, 0] * self._settings.batch_size / np.maximum(examples, 1.0)
        return StepResults(
            cross_entropies=means,
            correct=sums[:, 1],
            examples=examples,
            ids=ids.numpy(),
            losses=losses.numpy(),
            l2=float(l2),
            waited=float(waited) if self._settings.timed else None,
        )
