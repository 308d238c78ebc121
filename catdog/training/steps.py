"""The training step: the only place where gradients are taken and weights change."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from catdog.optimizers._optimizer import Optimizer
from catdog.training import objective

# float16 only: the loss is multiplied so that small gradients survive, as in Micikevicius et al.,
# Mixed precision training, ICLR 2018. Start, growth interval and factors are those of that paper.
_FIRST_SCALE = 2.0**15
_GROWTH_STEPS = 2000


@dataclasses.dataclass(frozen=True)
class StepResults:
    """What a call of `TrainSteps` measured; all arrays have one entry for each step.

    Attributes:
      cross_entropies: mean over the examples of the batch, with label smoothing.
      correct: examples whose most probable class was right, dropout and augmentation on.
      examples: examples in the batch without padding.
      l2: weight_decay · Σ w²/2 before the first of the steps.
      waited: seconds that the steps together waited for data.
    """

    cross_entropies: NDArray[np.float32]
    correct: NDArray[np.float32]
    examples: NDArray[np.float32]
    l2: float
    waited: float


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a step computes; the fields are those of the training config."""

    batch_size: int
    weight_decay: float
    decay_biases: bool
    label_smoothing: float
    dropout_key: int
    loss_scaling: bool
    xla: bool


class TrainSteps:
    """Runs training steps on every replica of a strategy.

    Build it inside `strategy.scope()`, with a model that has been called once.

    Attributes:
      variables: {name: tf.Variable} of all that training changes: weights, slots and, with
        float16, the loss scale.
    """

    def __init__(
        self, model: Any, optimizer: Optimizer, strategy: tf.distribute.Strategy, settings: Settings
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._strategy = strategy
        self._settings = settings
        self._longest = 0
        weights = {weight.path.partition("/")[2]: weight.value for weight in _trainable(model)}
        others = {w.path.partition("/")[2]: w.value for w in model.non_trainable_weights}
        self._weights = list(weights.values())
        self._slots = [
            tuple(
                tf.Variable(tf.zeros_like(weight), trainable=False, name=slot)
                for slot in optimizer.slot_names
            )
            for weight in self._weights
        ]
        self._decayed = [
            objective.is_decayed(weight.shape, decay_biases=settings.decay_biases)
            for weight in self._weights
        ]
        self.variables: dict[str, Any] = {
            f"weights/{name}": value for name, value in (weights | others).items()
        }
        for name, slots in zip(weights, self._slots, strict=True):
            for slot_name, slot in zip(optimizer.slot_names, slots, strict=True):
                self.variables[f"{slot_name}/{name}"] = slot
        if settings.loss_scaling:
            self._scale = tf.Variable(_FIRST_SCALE, trainable=False, name="loss_scale")
            self._good_steps = tf.Variable(0, trainable=False, dtype=tf.int64, name="good_steps")
            self.variables |= {"loss_scale": self._scale, "good_steps": self._good_steps}
        self._forward_backward = tf.function(
            self._replica_step, jit_compile=True if settings.xla else None
        )

    def _replica_step(self, batch: dict[str, Any], step: Any) -> tuple[Any, ...]:
        """Gradients and sums of one replica's part of the batch."""
        settings = self._settings
        seed = tf.stack([tf.constant(settings.dropout_key, tf.int64), step])
        with tf.GradientTape() as tape:
            logits = self._model(batch["images"], seed=seed)
            losses = objective.cross_entropies(
                batch["labels"], logits, label_smoothing=settings.label_smoothing
            )
            loss = tf.reduce_sum(losses * batch["weights"]) / settings.batch_size
            scaled = loss * self._scale if settings.loss_scaling else loss
        gradients = tape.gradient(scaled, self._weights)
        right = tf.argmax(logits, axis=1, output_type=tf.int32) == batch["labels"]
        correct = tf.reduce_sum(tf.cast(right, tf.float32) * batch["weights"])
        return gradients, tf.stack([loss, correct, tf.reduce_sum(batch["weights"])])

    def _apply(self, gradients: list[Any], learning_rate: Any, step: Any) -> None:
        """Changes weights and slots on every replica, from gradients that are already summed."""
        if self._settings.loss_scaling:
            finite, scale = self._finite_and_rescaled(gradients)
        for weight, gradient, slots, decayed in zip(
            self._weights, gradients, self._slots, self._decayed, strict=True
        ):

            def assign(weight: Any, gradient: Any, *slots: Any, decayed: bool = decayed) -> Any:
                gradient = tf.cast(gradient, tf.float32)
                if self._settings.loss_scaling:
                    gradient /= scale
                if decayed:
                    gradient += self._settings.weight_decay * weight
                new_weight, new_slots = self._optimizer.update(
                    weight, gradient, slots, learning_rate=learning_rate, step=step
                )
                if self._settings.loss_scaling:
                    new_weight = tf.where(finite, new_weight, weight)
                    new_slots = tuple(
                        tf.where(finite, n, o) for n, o in zip(new_slots, slots, strict=True)
                    )
                return tf.group(
                    weight.assign(new_weight),
                    *[slot.assign(new) for slot, new in zip(slots, new_slots, strict=True)],
                )

            self._strategy.extended.update(weight, assign, args=(gradient, *slots))

    def _finite_and_rescaled(self, gradients: list[Any]) -> tuple[Any, Any]:
        """Whether all gradients are finite, and the scale that they were multiplied with.

        The next scale is half of it if they are not, and twice of it after a while.
        """
        first = [self._strategy.experimental_local_results(g)[0] for g in gradients]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in first])
        scale = tf.convert_to_tensor(self._scale)
        good = tf.where(finite, self._good_steps + 1, 0)
        grown = good >= _GROWTH_STEPS
        self._scale.assign(
            tf.where(finite, tf.where(grown, scale * 2.0, scale), tf.maximum(scale * 0.5, 1.0))
        )
        self._good_steps.assign(tf.where(grown, tf.zeros_like(good), good))
        return finite, scale

    def _one_step(self, batch: Any, learning_rate: Any, step: Any) -> Any:
        """float32 [3]: cross-entropy, correct, examples, summed over all replicas."""
        per_replica, sums = self._strategy.run(self._forward_backward, args=(batch, step))
        gradients = self._strategy.extended.batch_reduce_to(
            tf.distribute.ReduceOp.SUM, list(zip(per_replica, self._weights, strict=True))
        )
        self._apply(gradients, learning_rate, step)
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

    @tf.function
    def _run(
        self, iterator: Any, learning_rates: Any, count: Any, first_step: Any
    ) -> tuple[Any, ...]:
        sums = tf.TensorArray(tf.float32, size=count, element_shape=[3])
        waited = tf.constant(0.0, tf.float64)
        l2 = self._settings.weight_decay * objective.half_squares(
            [w for w, decayed in zip(self._weights, self._decayed, strict=True) if decayed]
        )
        for place in tf.range(count):
            asked = tf.timestamp()
            batch = next(iterator)
            with tf.control_dependencies(tf.nest.flatten(batch, expand_composites=True)):
                waited += tf.timestamp() - asked
            step = first_step + tf.cast(place, tf.int64)
            sums = sums.write(place, self._one_step(batch, learning_rates[place], step))
        return sums.stack(), l2, waited

    def __call__(
        self, iterator: Any, learning_rates: NDArray[np.float32], first_step: int
    ) -> StepResults:
        """Takes one step for each learning rate, the first of them number `first_step`."""
        count = len(learning_rates)
        # The rates always have the length of the longest call: another one would be traced again.
        self._longest = max(self._longest, count)
        rates = np.zeros(self._longest, np.float32)
        rates[:count] = learning_rates
        sums, l2, waited = self._run(
            iterator, tf.constant(rates), tf.constant(count), tf.constant(first_step, tf.int64)
        )
        sums = sums.numpy()
        examples = sums[:, 2]
        means = sums[:, 0] * self._settings.batch_size / examples
        return StepResults(means, sums[:, 1], examples, float(l2), float(waited))


def _trainable(model: Any) -> list[Any]:
    if not model.trainable_variables:
        raise ValueError("the model has no weights yet: call it once before training")
    return list(model.trainable_variables)
