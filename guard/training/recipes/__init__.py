"""Recipes: how rows become numbers, by public bounds and vocabularies alone."""
