"""Finds out how a file is to be read: which family, which settings; and whether others would fit better."""
