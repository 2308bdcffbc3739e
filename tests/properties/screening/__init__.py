"""Laws of screening."""
