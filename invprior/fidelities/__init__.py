"""Data fidelities E(Ax; y): negative log-likelihoods of the noise."""
