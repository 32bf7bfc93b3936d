"""Pipelines that run: their nodes joined, one thread each, and what can be seen of them."""
