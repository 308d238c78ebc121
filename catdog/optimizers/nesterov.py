r"""Nesterov's accelerated gradient, the learning rate outside the velocity.

$v \leftarrow m v + g$, $w \leftarrow w - r (g + m v)$: TensorFlow 1's MomentumOptimizer with
use_nesterov. The gradient is taken at the weights themselves, not at a point ahead of them: the
change of variables of Bengio et al., Advances in optimizing recurrent networks, ICASSP 2013, of
the method in Sutskever et al., ICML 2013.
"""

from typing import Any

from catdog.errors import UsageError
from catdog.optimizers._optimizer import Optimizer


class Nesterov(Optimizer):
    """Nesterov's momentum with the coefficient `momentum`, 0 <= momentum < 1.

    >>> rule = Nesterov(momentum=0.5)
    >>> rule.update(1.0, 2.0, (4.0,), learning_rate=0.125, step=0)
    (0.5, (4.0,))
    """

    slot_names = ("velocity",)

    def __init__(self, *, momentum: float = 0.9) -> None:
        if not 0 <= momentum < 1:
            raise UsageError(f"momentum must be at least 0 and below 1, received {momentum}")
        self._momentum = momentum

    def update(
        self, weight: Any, gradient: Any, slots: tuple[Any, ...], *, learning_rate: Any, step: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        """weight - rate · (gradient + momentum · v) and (v,).

        Here v = momentum · velocity + gradient, as in momentum.
        """
        del step
        velocity = self._momentum * slots[0] + gradient
        return weight - learning_rate * (gradient + self._momentum * velocity), (velocity,)
