"""Adam with decoupled weight decay.

Source: Loshchilov, Hutter: Decoupled weight decay regularization, ICLR 2019. The decay is not part
of the gradient, which Adam would divide by its size: the training step shrinks each decayed weight
by learning_rate · weight_decay of itself before the update. Good values of --weight_decay are
larger than for the L2 term in the loss.
"""

from typing import Any

from catdog.optimizers._optimizer import Optimizer
from catdog.optimizers.adam import Adam


class AdamW(Optimizer):
    """Adam's rule and options; `decoupled_decay` tells the training step to shrink the weights.

    >>> weight, slots = AdamW().update(1.0, 4.0, (0.0, 0.0), learning_rate=0.125, step=0)
    >>> round(float(weight), 6)
    0.875
    """

    slot_names = Adam.slot_names
    decoupled_decay = True

    def __init__(self, *, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-7) -> None:
        self._adam = Adam(beta1=beta1, beta2=beta2, epsilon=epsilon)

    def update(
        self, weight: Any, gradient: Any, slots: tuple[Any, ...], *, learning_rate: Any, step: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        """What Adam makes of a weight that is already shrunk and of the loss' gradient alone."""
        return self._adam.update(weight, gradient, slots, learning_rate=learning_rate, step=step)
