"""Element 1, the data set: shards in, shuffled and augmented uint8 batches out."""
