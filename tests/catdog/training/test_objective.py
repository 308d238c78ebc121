"""Cross-entropy and L2 equal what numpy and Keras say."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from catdog.training import objective


def _cases(classes: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    rng = np.random.default_rng(classes)
    return (
        rng.integers(0, classes, 40).astype(np.int32),
        rng.normal(scale=5.0, size=(40, classes)).astype(np.float32),
    )


def _by_hand(
    labels: NDArray[np.int32], logits: NDArray[np.float32], smoothing: float
) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    log_p = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    target = np.full(wide.shape, smoothing / wide.shape[1])
    target[np.arange(len(labels)), labels] += 1 - smoothing
    return -(target * log_p).sum(axis=1)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropies_equal_numpy_and_keras(classes: int, smoothing: float) -> None:
    labels, logits = _cases(classes)
    targets = tf.one_hot(labels, classes)
    found = objective.cross_entropies(targets, tf.constant(logits), label_smoothing=smoothing)
    assert (found.shape, found.dtype) == ((40,), tf.float32)
    np.testing.assert_allclose(found, _by_hand(labels, logits, smoothing), rtol=1e-5, atol=1e-5)
    keras_loss = tf.keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction="none"
    )
    expected = keras_loss(targets, logits)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_logits_of_any_size_stay_finite() -> None:
    logits = tf.constant([[1e4, -1e4], [1e30, 0.0]])
    targets = tf.constant([[0.0, 1.0], [1.0, 0.0]])
    found = objective.cross_entropies(targets, logits, label_smoothing=0.0).numpy()
    assert found.tolist() == [2e4, 0.0]


def test_the_loss_of_a_mixture_is_the_mixture_of_the_losses() -> None:
    _, logits = _cases(3)
    pure = [
        objective.cross_entropies(
            tf.one_hot(np.full(40, label), 3), tf.constant(logits), label_smoothing=0.1
        ).numpy()
        for label in (0, 2)
    ]
    mixed = objective.cross_entropies(
        tf.tile([[0.3, 0.0, 0.7]], [40, 1]), tf.constant(logits), label_smoothing=0.1
    )
    np.testing.assert_allclose(mixed, 0.3 * pure[0] + 0.7 * pure[1], rtol=1e-5)


def test_examples_count_as_their_classes_say_and_padding_never() -> None:
    targets = tf.constant([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75], [1.0, 0.0]])
    weights = tf.constant([1.0, 1.0, 1.0, 0.0])
    found = objective.example_weights(weights, targets, (2.0, 4.0)).numpy()
    assert found.tolist() == [2.0, 4.0, 3.5, 0.0]
    assert objective.example_weights(weights, targets, ()) is weights


def test_half_squares_sum_over_all_weights() -> None:
    weights = [tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([5.0])]
    assert float(objective.half_squares(weights)) == (1 + 4 + 9 + 16 + 25) / 2
    assert float(objective.half_squares([])) == 0.0


def test_kernels_are_always_decayed_and_vectors_when_asked_for() -> None:
    for shape in ((3, 3, 4, 8), (4, 8)):
        assert objective.is_decayed(shape, decay_biases=False)
    assert not objective.is_decayed((8,), decay_biases=False)
    assert objective.is_decayed((8,), decay_biases=True)
