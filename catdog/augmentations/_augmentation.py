"""The contract of the room: what an augmentation gets and gives."""

from typing import Any


class Augmentation:
    """A pure function of a picture and a seed.

    The first augmentation of the list cuts: it overrides `crop_box`, and the pipeline then decodes
    only that part of the JPEG before it calls the augmentation with the part. All others get the
    image as the one before them left it. A constructor takes its options as keywords.

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
        raise NotImplementedError
