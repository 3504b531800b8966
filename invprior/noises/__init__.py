"""Noise models, to simulate measurements."""
