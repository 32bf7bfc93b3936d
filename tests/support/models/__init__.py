"""Engines, repositories and outputs of models, made by hand for the tests."""
