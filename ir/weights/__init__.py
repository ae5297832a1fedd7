"""Weight files, the weights of a model in them, and weights that are missing."""
