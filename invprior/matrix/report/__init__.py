"""The report of a matrix: one self-contained HTML page, with tables and figures as files."""
