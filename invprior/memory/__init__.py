"""Memory: the forecast of what a run needs, and the plan by which it fits."""
