"""Usage limits of a key: what an exchange holds before it is sent."""
