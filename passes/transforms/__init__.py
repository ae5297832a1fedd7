"""Transforms: one pass a file, one name in three spellings."""
