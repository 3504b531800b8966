"""Save a run under way, and resume it."""
