"""Cells, records and the folder that stores them."""
