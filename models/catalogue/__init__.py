"""The catalogue: models that can be pulled, and how their files get into a model repository."""
