"""What a test needs and does not find: skipped on a laptop, a failure where CI is set."""

import os
from typing import NoReturn

import pytest


def skip_or_fail(reason: str) -> NoReturn:
    """Skip, or fail where nothing may be skipped."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI must not skip", pytrace=False)
    pytest.skip(reason)
