"""The recognizers, one file a kind of value. They do not know each other."""
