"""What the tests with damaged inputs share.

Each draws its inputs from a seed. The environment variable INVPRIOR_FUZZ is the number of inputs of each kind: CI takes
60, a long run by hand takes 20,000.
"""

import os
import time

from invprior.errors import InvpriorError

COUNT = int(os.environ.get("INVPRIOR_FUZZ", "60"))
LONGEST = 5.0  # seconds of the processor for one input: the machine may have other work


def timed(call, *arguments, **options):
    """Call; return its result, or its error if that is one for users. Any other error fails the test."""
    began = time.process_time()
    try:
        return call(*arguments, **options)
    except InvpriorError as error:
        return error
    finally:
        assert time.process_time() - began < LONGEST
