"""Shrinking a program while it stays interesting: delta debugging for MIL."""
