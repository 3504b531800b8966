"""The report of a matrix: one HTML page that needs nothing else, and tables and figures beside it."""
