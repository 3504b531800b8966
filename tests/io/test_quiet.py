"""Threads that read images leave warnings and loggers as they were, in whatever order they end."""

import logging
import warnings

from invprior.io.quiet import quiet


def test_overlapping_threads_put_the_filters_back():
    logger = logging.getLogger("tifffile")
    before, level = list(warnings.filters), logger.level
    first, second = quiet(), quiet()  # as two threads would enter and leave them
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert logger.level > logging.CRITICAL
    second.__exit__(None, None, None)
    assert list(warnings.filters) == before
    assert logger.level == level
