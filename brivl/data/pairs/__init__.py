"""Image-text pairs for training, in the formats in which such datasets are distributed."""
