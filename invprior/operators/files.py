"""Kept until `operators.inpaint` imports `invprior.io.arrays`."""

from invprior.io.arrays import read_plane as read_plane
