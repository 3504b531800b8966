"""Numerical building blocks that know nothing of problems or plugins."""
