"""Measures of quality against a known truth."""
