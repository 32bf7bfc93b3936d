"""Runs one pipeline: reads its source, and passes what comes through its nodes."""
