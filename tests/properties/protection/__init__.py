"""Laws of protection."""
