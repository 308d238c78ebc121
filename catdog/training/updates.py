"""What a step changes, and how: weights, the optimizer's slots, their average, the loss scale."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from catdog.optimizers._optimizer import Optimizer
from catdog.training import objective

# float16 only: the loss is multiplied so that small gradients survive, as in Micikevicius et al.,
# Mixed precision training, ICLR 2018. Start, growth interval and factors are those of that paper.
_FIRST_SCALE = 2.0**15
_GROWTH_STEPS = 2000

# Weights of as many numbers are changed by a compiled program, in one pass over memory instead of
# one for each operation of the rule; for smaller ones that is not worth the compilation.
_COMPILED_SIZE = 2**20


@dataclasses.dataclass(frozen=True)
class UpdateRules:
    """How gradients become updates; the fields are those of the training config."""

    weight_decay: float
    decay_biases: bool
    clip_norm: float
    ema_decay: float
    loss_scaling: bool


@dataclasses.dataclass(frozen=True)
class _Moment:
    """What the changes of all weights in one step share: scalars, `finite` with float16 alone."""

    factor: Any
    learning_rate: Any
    step: Any
    average_decay: Any
    finite: Any


class Updates:
    """The variables of a training run, and the rule that changes them.

    Build it inside `strategy.scope()`, with a model that has been called once.

    Attributes:
      weights: the trainable weights, tf.Variable each.
      variables: {name: tf.Variable} of all that training changes: weights, slots, with
        `ema_decay` the average of each weight and, with float16, the loss scale.
      scale: what the loss is multiplied with before gradients are taken.
    """

    def __init__(
        self, model: Any, optimizer: Optimizer, strategy: tf.distribute.Strategy, rules: UpdateRules
    ) -> None:
        self._optimizer = optimizer
        self._strategy = strategy
        self._rules = rules
        named = {weight.path.partition("/")[2]: weight.value for weight in _trainable(model)}
        others = {w.path.partition("/")[2]: w.value for w in model.non_trainable_weights}
        self.weights: list[Any] = list(named.values())
        self._slots = [
            tuple(
                tf.Variable(tf.zeros_like(weight), trainable=False, name=slot)
                for slot in optimizer.slot_names
            )
            for weight in self.weights
        ]
        self._averages: list[tuple[Any, ...]] = [
            (tf.Variable(weight, trainable=False, name="ema"),) if rules.ema_decay else ()
            for weight in self.weights
        ]
        self._decayed = [
            objective.is_decayed(weight.shape, decay_biases=rules.decay_biases)
            for weight in self.weights
        ]
        self.scale: Any = 1.0
        self.variables: dict[str, Any] = {
            f"weights/{name}": value for name, value in (named | others).items()
        }
        kinds = [*optimizer.slot_names, "ema"]
        for name, slots, average in zip(named, self._slots, self._averages, strict=True):
            for kind, variable in zip(kinds, (*slots, *average), strict=False):
                self.variables[f"{kind}/{name}"] = variable
        if rules.loss_scaling:
            self.scale = tf.Variable(_FIRST_SCALE, trainable=False, name="loss_scale")
            self._good_steps = tf.Variable(0, trainable=False, dtype=tf.int64, name="good_steps")
            self.variables |= {"loss_scale": self.scale, "good_steps": self._good_steps}

    def l2(self) -> Any:
        """weight_decay · Σ w²/2 over the weights that decay, a float32 scalar."""
        decayed = [
            w for w, is_decayed in zip(self.weights, self._decayed, strict=True) if is_decayed
        ]
        return self._rules.weight_decay * objective.half_squares(decayed)

    def apply(self, gradients: list[Any], learning_rate: Any, step: Any) -> None:
        """Changes everything on every replica, from scaled gradients that are already summed."""
        first = [self._strategy.experimental_local_results(g)[0] for g in gradients]
        finite, scale = (
            self._finite_and_rescaled(first) if self._rules.loss_scaling else (None, 1.0)
        )
        now = _Moment(
            factor=self._factor(first, scale),
            learning_rate=learning_rate,
            step=step,
            average_decay=self._average_decay(step),
            finite=finite,
        )
        for weight, gradient, slots, average, decayed in zip(
            self.weights, gradients, self._slots, self._averages, self._decayed, strict=True
        ):

            def change(*variables: Any, decayed: bool = decayed) -> None:
                self._change(*variables, now=now, decayed=decayed)

            if self._is_compiled(weight):
                change = tf.function(change, jit_compile=True)
            self._strategy.extended.update(weight, change, args=(gradient, *slots, *average))

    def _is_compiled(self, weight: Any) -> bool:
        """Whether a large weight changes on a lone CPU: GPUs have the bandwidth, not always XLA."""
        alone = self._strategy.num_replicas_in_sync == 1
        large = weight.shape.num_elements() >= _COMPILED_SIZE
        return alone and large and "CPU" in weight.device

    def _change(
        self, weight: Any, gradient: Any, *others: Any, now: _Moment, decayed: bool
    ) -> None:
        """Assigns a weight, its slots and its average, if it has one, in this order."""
        slots = others[: len(self._optimizer.slot_names)]
        gradient = tf.cast(gradient, tf.float32) * now.factor
        old = (tf.convert_to_tensor(weight), *map(tf.convert_to_tensor, slots))
        new = self._updated(old, gradient, now.learning_rate, now.step, decayed=decayed)
        if now.finite is not None:
            new = [tf.where(now.finite, n, o) for n, o in zip(new, old, strict=True)]
        for variable, value in zip((weight, *slots), new, strict=True):
            variable.assign(value)
        for average in others[len(slots) :]:
            average.assign_add((1.0 - now.average_decay) * (new[0] - average))

    def _updated(
        self, old: tuple[Any, ...], gradient: Any, learning_rate: Any, step: Any, *, decayed: bool
    ) -> list[Any]:
        """The new weight, then its new slots."""
        weight, *slots = old
        if decayed and self._optimizer.decoupled_decay:
            weight = weight * (1.0 - learning_rate * self._rules.weight_decay)
        elif decayed:
            gradient = gradient + self._rules.weight_decay * weight
        new_weight, new_slots = self._optimizer.update(
            weight, gradient, tuple(slots), learning_rate=learning_rate, step=step
        )
        return [new_weight, *new_slots]

    def _factor(self, gradients: list[Any], scale: Any) -> Any:
        """What gradients are multiplied with: 1 / scale, less where their norm is too large.

        The norm is that of all gradients of the cross-entropy together, without the decay
        (Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013).
        """
        if not self._rules.clip_norm:
            return 1.0 / scale
        norm = tf.linalg.global_norm([tf.cast(g, tf.float32) for g in gradients]) / scale
        return self._rules.clip_norm / tf.maximum(norm, self._rules.clip_norm) / scale

    def _average_decay(self, step: Any) -> Any:
        """The flag's decay, less in the first steps so that the initial weights are forgotten."""
        done = tf.cast(step, tf.float32)
        return tf.minimum(self._rules.ema_decay, (1.0 + done) / (10.0 + done))

    def _finite_and_rescaled(self, gradients: list[Any]) -> tuple[Any, Any]:
        """Whether all gradients are finite, and the scale that they were multiplied with.

        The next scale is half of it if they are not, and twice of it after a while.
        """
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in gradients])
        scale = tf.convert_to_tensor(self.scale)
        good = tf.where(finite, self._good_steps + 1, 0)
        grown = good >= _GROWTH_STEPS
        self.scale.assign(
            tf.where(finite, tf.where(grown, scale * 2.0, scale), tf.maximum(scale * 0.5, 1.0))
        )
        self._good_steps.assign(tf.where(grown, tf.zeros_like(good), good))
        return finite, scale

    @tf.function
    def _swap(self) -> None:
        for weight, averages in zip(self.weights, self._averages, strict=True):
            for average in averages:
                before = tf.identity(weight)
                weight.assign(average)
                average.assign(before)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside of it the model has the averages of its weights, where there are any."""
        if not self._rules.ema_decay:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()


def _trainable(model: Any) -> list[Any]:
    if not model.trainable_variables:
        raise ValueError("the model has no weights yet: call it once before training")
    return list(model.trainable_variables)
