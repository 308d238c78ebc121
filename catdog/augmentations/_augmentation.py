"""The contract of the room: what an augmentation gets and gives."""

from typing import Any


class Augmentation:
    """A pure function of a picture and its seed, of a batch and its seeds, or of both.

    The first augmentation of the list cuts: it overrides `crop_box`, and the pipeline then decodes
    only that part of the JPEG before it calls the augmentation with the part. All others get the
    image as the one before them left it. When the pictures of a batch are together, `mix` of each
    augmentation gets the batch, in the order of the list too.

    A constructor takes its options as keywords. One that names `mean`, `std` or `covariance`
    is given the statistics of the training pictures: tuples in 0..255 units, of 3, 3 and 3 × 3
    numbers. These and `image_size` are never options of a user.

    Attributes:
      image_size: side of the square that the model sees, in pixels.
    """

    def __init__(self, *, image_size: int) -> None:
        self.image_size = image_size

    def crop_box(self, stored_size: int, seed: Any) -> Any:
        """int32 [4]: top, left, height and width to decode; None when it does not cut.

        Args:
          stored_size: side of the stored square picture, in pixels.
          seed: int64 [2], (a key of run and epoch, the example's number).
        """
        del stored_size, seed
        return None

    def __call__(self, image: Any, seed: Any) -> Any:
        """uint8 [image_size, image_size, 3] from uint8 [height, width, 3] and int64 [2]."""
        del seed
        return image

    def mix(self, images: Any, targets: Any, seeds: Any) -> tuple[Any, Any]:
        """The batch's images and targets, in the shapes and types that they came in.

        What comes must not depend on how a batch is cut for devices: use `_pairs.mixed_in_pairs`.

        Args:
          images: uint8 [b, image_size, image_size, 3].
          targets: float32 [b, C], the share of each class; rows sum to 1.
          seeds: int64 [b, 2], as that of `__call__`; the number -1 marks padding.
        """
        del seeds
        return images, targets
