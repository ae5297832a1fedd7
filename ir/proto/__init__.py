"""The protobuf of an ML program: to PyMIL with every fault told, and back."""
