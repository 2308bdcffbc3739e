"""The catalogue as files describe it."""
