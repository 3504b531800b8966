"""Data fidelities E(Ax; y), the negative log-likelihoods of the noise."""
