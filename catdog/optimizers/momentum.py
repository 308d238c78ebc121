r"""Gradient descent with momentum, the learning rate outside the velocity.

$v \leftarrow m v + g$, $w \leftarrow w - r v$: the rule of TensorFlow 1's MomentumOptimizer
(Polyak 1964; Sutskever et al., ICML 2013). Keras' SGD keeps the rate inside the velocity, which
differs whenever the rate changes.
"""

from typing import Any

from catdog.errors import UsageError
from catdog.optimizers._optimizer import Optimizer


class Momentum(Optimizer):
    """Momentum with the coefficient `momentum`, 0 <= momentum < 1.

    >>> rule = Momentum(momentum=0.5)
    >>> rule.update(1.0, 2.0, (4.0,), learning_rate=0.1, step=0)
    (0.6, (4.0,))
    """

    slot_names = ("velocity",)

    def __init__(self, *, momentum: float = 0.9) -> None:
        if not 0 <= momentum < 1:
            raise UsageError(f"momentum must be at least 0 and below 1, received {momentum}")
        self._momentum = momentum

    def update(
        self, weight: Any, gradient: Any, slots: tuple[Any, ...], *, learning_rate: Any, step: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        """weight - rate · v and (v,), where v = momentum · velocity + gradient."""
        del step
        velocity = self._momentum * slots[0] + gradient
        return weight - learning_rate * velocity, (velocity,)
