"""The nodes of a pipeline: one module each."""
