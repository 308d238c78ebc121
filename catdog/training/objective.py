"""What training minimises: weighted cross-entropy plus L2, and what is reported of both.

The loss of a step is sum(weight · cross-entropy) / batch size + weight_decay · Σ w²/2. Padding has
weight 0, and the division is always by the batch size: every example of an epoch counts the same.
This is the only place where the loss is scaled.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def cross_entropies(labels: Any, logits: Any, *, label_smoothing: float) -> Any:
    """The loss of each example in nats, float32 [B].

    Args:
      labels: int32 [B].
      logits: float32 [B, C].
      label_smoothing: s in the target (1 - s) · one-hot + s / C (Szegedy et al., CVPR 2016).
    """
    log_probabilities = tf.nn.log_softmax(logits)
    true = tf.gather(log_probabilities, labels, axis=1, batch_dims=1)
    uniform = tf.reduce_mean(log_probabilities, axis=1)
    return -(1.0 - label_smoothing) * true - label_smoothing * uniform


def is_decayed(shape: Sequence[int], *, decay_biases: bool) -> bool:
    """Whether L2 covers a weight of this shape: kernels always, vectors when asked for."""
    return decay_biases or len(shape) > 1


def half_squares(weights: Sequence[Any]) -> Any:
    """Σ w²/2 over all weights, a float32 scalar."""
    if not weights:
        return tf.constant(0.0)
    return tf.add_n([tf.nn.l2_loss(weight) for weight in weights])
