"""What no well-meaning client asks; these checks are asked only if the user has said so."""

from conformance.checks.hostile import bodies, heads, pictures

CHECKS = (*pictures.CHECKS, *bodies.CHECKS, *heads.CHECKS)
"""The last one is whether the server still lives."""
