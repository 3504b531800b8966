"""The experiments of the Deep Image Prior paper about the prior itself, usable from Python."""
