"""Element 4b, the learning algorithm: one learning-rate rule a file."""
