"""Canonicalization patterns: one module a family, each pattern its algebra and its refusals."""
