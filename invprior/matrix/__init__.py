"""The comparison matrix: images x operators x noise x priors x solvers x stopping rules x seeds."""
