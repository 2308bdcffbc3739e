"""Recognizers: what they find, what they leave, and disguises."""
