"""Proof of what passes did: outputs against those of before, the culprit of a difference, a failure in a file."""
