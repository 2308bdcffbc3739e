"""Protected copies of datasets: surveyed, transformed, encrypted, read back verified."""
