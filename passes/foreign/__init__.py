"""The door to coremltools' own passes: any registered one runs in milopt's manager."""
