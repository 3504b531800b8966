"""Metrics: the quality of an image against the ground truth."""
