"""The command line: `milopt` for users, `mil-opt` for authors of passes."""
