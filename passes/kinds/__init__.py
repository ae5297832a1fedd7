"""What options take: one record for each kind of value, converted alike from Python, text and coremltools."""
