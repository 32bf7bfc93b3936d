"""Attacks on a fresh service, each by a way to hurt it that was found once: `python -m bench.attacks`."""
