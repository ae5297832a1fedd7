"""What surrounds a program: its description, compiled models, and whether program, description and target agree."""
