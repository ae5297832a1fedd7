"""A model as Core ML shows it to its users: arrays, images, labels, states and pipelines around lowered programs."""
