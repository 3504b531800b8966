"""Forecast the memory of a run, and plan how it fits."""
