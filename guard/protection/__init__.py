"""4 change it: plan, apply, surrogates, sinks, restore."""
