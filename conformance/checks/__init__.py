"""All checks, in the order in which they are asked: later ones rest on what earlier ones have shown."""

from conformance.checks import credentials, errors, framing, hostile, overload, requests, timing

CHECKS = (
    *requests.CHECKS,
    *framing.CHECKS,
    *errors.CHECKS,
    *credentials.CHECKS,
    *overload.CHECKS,
    *timing.CHECKS,
    *hostile.CHECKS,
)
GROUPS = tuple(dict.fromkeys(check.group for check in CHECKS))
"""The names of the groups, in order."""
