"""catdog: train image classifiers from TFRecords that nothing can silently damage."""

__version__ = "0.1.0"
