"""Calibration: what the values inside a model look like when it runs on samples."""
