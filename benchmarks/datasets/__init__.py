"""Benchmarks of protected datasets."""
