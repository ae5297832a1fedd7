"""Measurements of milopt against coremltools, on models that are built here from their published tables."""
