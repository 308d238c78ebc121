"""Element 3, the learning model: uint8 images in, float32 logits out; one model a file."""
