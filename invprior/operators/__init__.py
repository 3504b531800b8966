"""Forward operators y = A(x)."""
