"""All checks, in the order in which they are asked: later ones rest on what earlier ones have shown."""

from conformance.checks import (
    answers,
    credentials,
    empty,
    errors,
    framing,
    geometry,
    hostile,
    overload,
    raw,
    requests,
    state,
    timing,
)

CHECKS = (
    *requests.CHECKS,
    *framing.CHECKS,
    *answers.CHECKS,
    *geometry.CHECKS,
    *empty.CHECKS,
    *errors.CHECKS,
    *state.CHECKS,
    *raw.CHECKS,
    *credentials.CHECKS,
    *overload.CHECKS,
    *timing.CHECKS,
    *hostile.CHECKS,
)
GROUPS = tuple(dict.fromkeys(check.group for check in CHECKS))
"""The names of the groups, in order."""
