"""Element 4a, the learning algorithm: one update rule a file."""
