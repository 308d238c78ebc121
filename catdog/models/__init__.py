"""Element 3, the learning model: uint8 images in, float32 logits out; one model a file.

A model is a keras.Model with the attribute `image_size`, the side of the square that it sees, and
`call(images, seed=None)`: uint8 [B, image_size, image_size, 3] to float32 logits [B, C]. `seed` is
None in prediction and in training int64 [4]: a key, the step, the first row of these images in the
global batch, and the rows of the global batch. A model may take images of other sizes too, for
`--progressive_sizes`. What an image gives depends on no other image of its batch, so that batches
may be cut into parts. The constructor takes the keywords `num_classes`, `mean`, `std`, `seed` and
`dtype`, as `alexnet` explains them, and the model's own options.
"""
