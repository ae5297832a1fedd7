"""Which passes for which deployment target? Schemes as a table, pipelines as Python, and `optimize` on top."""
