"""Benchmarks: each bar of an issue that a command can show, measured against a named peer or limit."""
