"""Noise models, which simulate measurements."""
