"""ASGI middleware: what happens to a request before and after its operation."""
