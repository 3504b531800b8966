"""The version, apart from the package's face so that no module below has to import that."""

__version__ = "0.1.0"
