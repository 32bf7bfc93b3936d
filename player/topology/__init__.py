"""Topologies of Live Video Analytics and Azure Video Analyzer: read, filled in, and checked."""
