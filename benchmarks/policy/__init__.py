"""Benchmarks of the shipped policies."""
