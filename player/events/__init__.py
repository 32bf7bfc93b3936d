"""What a pipeline reports, and where it goes."""
