"""Traces: spans that are made of a finished request's record, and sent to a collector."""
