"""Is this data that a model can be calibrated with? Asked before and while it runs."""
