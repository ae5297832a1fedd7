"""Analyses: immutable facts about a program, computed on demand and cached until a pass invalidates them."""
