"""Who acts: application keys."""
