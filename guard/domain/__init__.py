"""The words: frozen values and enums that every stage shares. No I/O, no framework."""
