"""What training minimises: weighted cross-entropy plus L2, and what is reported of both.

The loss of a step is sum(weight · cross-entropy) / batch size + weight_decay · Σ w²/2. Padding has
weight 0, and the division is always by the batch size: every example of an epoch counts the same,
or as its class's weight says. This is the only place where the loss is scaled.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def cross_entropies(targets: Any, logits: Any, *, label_smoothing: float) -> Any:
    """The loss of each example in nats, float32 [B].

    Args:
      targets: float32 [B, C], each row sums to 1: one-hot, or a mixture of classes.
      logits: float32 [B, C].
      label_smoothing: s in (1 - s) · target + s / C (Szegedy et al., CVPR 2016).
    """
    log_probabilities = tf.nn.log_softmax(logits)
    true = tf.reduce_sum(targets * log_probabilities, axis=1)
    uniform = tf.reduce_mean(log_probabilities, axis=1)
    return -(1.0 - label_smoothing) * true - label_smoothing * uniform


def example_weights(weights: Any, targets: Any, class_weights: Sequence[float]) -> Any:
    """What each example counts, float32 [B].

    Args:
      weights: float32 [B], 0 for padding.
      targets: float32 [B, C].
      class_weights: one factor for each class; none for all alike.
    """
    if not class_weights:
        return weights
    return weights * tf.linalg.matvec(targets, tf.constant(class_weights, tf.float32))


def is_decayed(shape: Sequence[int], *, decay_biases: bool) -> bool:
    """Whether L2 covers a weight of this shape: kernels always, vectors when asked for."""
    return decay_biases or len(shape) > 1


def half_squares(weights: Sequence[Any]) -> Any:
    """Σ w²/2 over all weights, a float32 scalar."""
    if not weights:
        return tf.constant(0.0)
    return tf.add_n([tf.nn.l2_loss(weight) for weight in weights])
