"""What passes and pipelines there are, from here and from other packages, and what they say about themselves."""
