"""5 forward: the provider port, one file a dialect, the demo model."""
