"""Runs a model on samples and gathers what its values look like: here, in other processes, or on a cluster."""
