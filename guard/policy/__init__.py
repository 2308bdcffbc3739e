"""2 may they, and under what duty: screening policy (YAML) and access control (Cedar)."""
