"""How models are found, loaded and run."""
