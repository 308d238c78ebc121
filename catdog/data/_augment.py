"""Where augmentations meet the pipeline: as each picture is decoded, and once a batch is full."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import tensorflow as tf


class Augmentation(Protocol):
    """What the pipeline asks of an augmentation; see `catdog.augmentations`."""

    image_size: int

    def crop_box(self, stored_size: int, seed: Any) -> Any: ...

    def __call__(self, image: Any, seed: Any) -> Any: ...

    def mix(self, images: Any, targets: Any, seeds: Any) -> tuple[Any, Any]: ...


def _decoded_part(encoded: Any, box: Any, stored_size: int) -> Any:
    """uint8 [height, width, 3]: the part that `box` names, pixel for pixel as in the whole picture.

    The decoder interpolates colours between neighbouring columns, so the outer columns of a part
    come out right only when one more column is decoded on each side.
    """
    top, left, height, width = tf.unstack(box)
    before = tf.minimum(left, 1)
    after = tf.minimum(stored_size - left - width, 1)
    wider = tf.stack([top, left - before, height, before + width + after])
    part = tf.image.decode_and_crop_jpeg(encoded, wider, channels=3)
    return part[:, before : before + width]


def decoder(augmentations: Sequence[Augmentation], stored_size: int) -> Callable[[Any, Any], Any]:
    """encoded JPEG, seed int64 [2] -> augmented uint8 image; decodes no more than it needs.

    Each augmentation draws from a seed of its own: the run's key plus its place in the list.
    """

    def decode(encoded: Any, seed: Any) -> Any:
        box = augmentations[0].crop_box(stored_size, seed)
        image = _decoded_part(encoded, box, stored_size)
        for place, augmentation in enumerate(augmentations):
            image = augmentation(image, tf.stack([seed[0] + place, seed[1]]))
        return image

    return decode


def finisher(
    augmentations: Sequence[Augmentation], num_classes: int
) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """batch, the seeds of its pictures int64 [b, 2] -> the batch with "targets", mixed.

    Each augmentation's seeds are those that it drew from at the decoding.
    """

    def finish(batch: dict[str, Any], seeds: Any) -> dict[str, Any]:
        images, targets = batch["images"], tf.one_hot(batch["labels"], num_classes)
        for place, augmentation in enumerate(augmentations):
            shifted = seeds + tf.constant([place, 0], tf.int64)
            images, targets = augmentation.mix(images, targets, shifted)
        return batch | {"images": images, "targets": targets}

    return finish
