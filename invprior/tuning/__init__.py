"""The automatic choice of the weights of a prior."""
