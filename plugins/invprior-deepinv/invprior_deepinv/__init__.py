"""deepinv's physics, denoisers and Deep Image Prior in invprior."""
