"""The configuration of a matrix: TOML, methods, published tables."""
