"""Graphs of programs: which op takes which value from where, slices and dominators of them, and pictures."""
