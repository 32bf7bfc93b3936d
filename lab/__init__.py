"""Shared by tests, benches and tools: hand-made graphs, drawn pictures, and plain sockets."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""
