"""Protection, one file for one file of the package."""
