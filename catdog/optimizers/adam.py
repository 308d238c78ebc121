r"""Adam: steps of about the learning rate's size, whatever the scale of the gradient.

$m \leftarrow \beta_1 m + (1 - \beta_1) g$, $v \leftarrow \beta_2 v + (1 - \beta_2) g^2$,
$w \leftarrow w - r \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m}{\sqrt{v} + \epsilon}$ at the
step number t = 1, 2, ...

Source: Kingma, Ba: Adam, ICLR 2015, in the order of computation given before its section 2.1,
where epsilon stands beside the uncorrected root; Keras and TensorFlow 1 compute it so too.
"""

import math
from typing import Any

import tensorflow as tf

from catdog.errors import UsageError
from catdog.optimizers._optimizer import Optimizer


def _one_minus_power(base: float, exponent: Any) -> Any:
    """1 - base ** exponent as float32; 1 - 0.999 taken in float32 would be off by 1.3e-5 of it."""
    return -tf.math.expm1(exponent * (math.log(base) if base else -math.inf))


class Adam(Optimizer):
    """Adam with the decay rates of its two means, 0 <= beta1, beta2 < 1, and epsilon > 0.

    The first step is as long as the rate:

    >>> weight, slots = Adam().update(1.0, 4.0, (0.0, 0.0), learning_rate=0.125, step=0)
    >>> round(float(weight), 6)
    0.875
    """

    slot_names = ("mean", "mean_square")

    def __init__(self, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-7) -> None:
        for name, value in (("beta1", beta1), ("beta2", beta2)):
            if not 0 <= value < 1:
                raise UsageError(f"{name} must be at least 0 and below 1, received {value}")
        if not 0 < epsilon < math.inf:
            raise UsageError(f"epsilon must be above 0 and finite, received {epsilon}")
        self._beta1 = beta1
        self._beta2 = beta2
        self._epsilon = epsilon

    def update(
        self, weight: Any, gradient: Any, slots: tuple[Any, ...], *, learning_rate: Any, step: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        """The weight and the means of gradient and gradient² after step `step`, counted from 0."""
        number = tf.cast(step, tf.float32) + 1.0
        mean = self._beta1 * slots[0] + (1.0 - self._beta1) * gradient
        mean_square = self._beta2 * slots[1] + (1.0 - self._beta2) * gradient * gradient
        correction = tf.sqrt(_one_minus_power(self._beta2, number))
        rate = learning_rate * correction / _one_minus_power(self._beta1, number)
        return weight - rate * mean / (tf.sqrt(mean_square) + self._epsilon), (mean, mean_square)
