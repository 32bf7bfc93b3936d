"""Texts of requests, read in time proportional to their length."""
