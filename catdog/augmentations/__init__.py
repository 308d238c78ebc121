"""Augmentations: pure (image, seed) -> image, one a file; the file's name is the flag's value."""
