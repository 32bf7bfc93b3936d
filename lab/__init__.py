"""What tests, benches and tools share: graphs made by hand, drawn pictures, and plain sockets."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""
