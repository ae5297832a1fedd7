"""What a program computes: MIL lowers to ONNX and runs in ONNX Runtime, on any machine."""
