"""Rewrites a model's graph at its edges so that serving costs less, and proves that it still answers alike (ADR 6)."""
