"""Which ops of a program each quantization scheme fits, on a deployment target, a compute unit and a chip, and why."""
