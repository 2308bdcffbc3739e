"""The ``guard`` command."""
