"""Two models side by side on the same samples, and models against the right answers."""
