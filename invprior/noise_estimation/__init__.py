"""Estimate the noise level of a measurement from the measurement alone."""
