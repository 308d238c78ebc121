"""Augmentations, one a file; the file's name is the flag's value. See `_augmentation`."""
