"""Readers of files: one record at a time, resumable, strict about what they accept."""
