"""Engines, repositories and outputs of models, hand-made for the tests."""
