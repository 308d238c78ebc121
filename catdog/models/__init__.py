"""Element 3, the learning model: uint8 images in, float32 logits out; one model a file.

A model is a keras.Model with the attribute `image_size`, the side of the square that it sees, and
`call(images, seed=None)`: uint8 [B, image_size, image_size, 3] to float32 logits [B, C], where
`seed` is int64 [2] in training and None else. Its constructor takes the keywords `num_classes`,
`mean`, `std`, `seed` and `dtype`, as `alexnet` explains them, and its own options after them.
"""
