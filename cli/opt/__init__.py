"""The parts of `mil-opt`: groups of its options, each with the record that they make, and what is done with them."""
