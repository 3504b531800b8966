"""How strong the noise in a measurement is, from the measurement alone."""
