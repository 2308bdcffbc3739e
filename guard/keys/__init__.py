"""Keys: the root provider, the keyring, envelopes and purpose keys."""
