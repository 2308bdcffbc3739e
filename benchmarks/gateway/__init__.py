"""Benchmarks of the gate: its cost, its fairness, its faults and the laws of its path."""
