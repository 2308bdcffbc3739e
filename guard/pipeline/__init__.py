"""Where the stages meet: the path of an exchange, told as numbered steps (DESIGN §2)."""
