"""W8A8: how far the outputs are from the float model, beside coremltools 9.0; `python -m benchmarks.w8a8`."""
