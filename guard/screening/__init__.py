"""3 what is in it: normalise, one scan for candidates, confirm, resolve overlaps."""
