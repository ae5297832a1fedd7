"""The subcommands of `milopt`, one a file; none imports coremltools before it runs."""
