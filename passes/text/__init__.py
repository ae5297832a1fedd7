"""Pipeline text as such: its words, its grammar, its places; what they mean is `pipeline_text`'s."""
