"""Everything around a pass that is not its own work: each instrumentation is one small class in a file of its own."""
