"""Statistics over records: comparisons, tasks, regression."""
