"""The contract of the room: a pure update rule."""

from typing import Any


class Optimizer:
    """A pure function from (weight, gradient, slots, rate) to (weight, slots).

    Attributes:
      slot_names: names of the tensors that the rule keeps for each weight; all start at zero.
      decoupled_decay: how training takes weight decay into account. False: the gradient that
        `update` receives has weight_decay · weight added to it (L2 in the loss). True: the weight
        that it receives is shrunk, weight · (1 - learning_rate · weight_decay), and the gradient
        is that of the loss alone (Loshchilov, Hutter, ICLR 2019).
    """

    slot_names: tuple[str, ...] = ()
    decoupled_decay = False

    def update(
        self, weight: Any, gradient: Any, slots: tuple[Any, ...], *, learning_rate: Any, step: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        """The new weight and the new slots, in the order of `slot_names`.

        Args:
          weight, gradient: float32 of one shape.
          slots: float32 of the same shape, one for each name.
          learning_rate: float32 scalar.
          step: int64 scalar, updates done before this one.
        """
        raise NotImplementedError
