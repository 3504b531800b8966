"""Numerical building blocks. They import no problem, no plugin and no registry."""
