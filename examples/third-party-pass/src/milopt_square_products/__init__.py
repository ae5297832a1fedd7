"""A pass for milopt in a package of its own; milopt finds it by its entry point."""
