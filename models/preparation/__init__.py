"""Rewrites a model's graph at its edges so that serving costs less, and checks that its answers stay alike (ADR 6)."""
