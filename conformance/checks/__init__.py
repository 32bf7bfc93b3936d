"""All checks, in the order in which they are asked: later ones rest on what earlier ones have shown."""

from conformance.checks import answers, empty, geometry, raw, requests, state

CHECKS = (
    *requests.CHECKS,
    *answers.CHECKS,
    *geometry.CHECKS,
    *empty.CHECKS,
    *state.CHECKS,
    *raw.CHECKS,
)
GROUPS = tuple(dict.fromkeys(check.group for check in CHECKS))
"""The names of the groups, in order."""
