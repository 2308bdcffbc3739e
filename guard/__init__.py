"""Guard: a gate between an organisation's personal data and the models that use it."""
