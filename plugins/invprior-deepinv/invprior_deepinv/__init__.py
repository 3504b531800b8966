"""deepinv's physics, denoisers and Deep Image Prior as plugins of invprior."""
