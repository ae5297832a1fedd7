"""Lowerings of MIL ops to ONNX ops, by family; `registry.py` finds every module of this folder."""
