"""Untrained networks for Deep Image Prior."""
