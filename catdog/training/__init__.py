"""What turns the four elements into a trained model: steps, prediction, checkpoints, the loop."""
