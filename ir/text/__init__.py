"""MIL text, in the concrete syntax of Apple's compiler: printing and parsing."""
