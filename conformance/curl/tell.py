# ruff: noqa: T201 - it reports by printing
"""What a shell cannot do alone: `tell code SECRET`, `wrong SECRET`, `picture URI` or `claims TOKEN`."""

import json
import sys
from collections.abc import Callable
from typing import Final

from conformance.python import steps

TELLS: Final[dict[str, Callable[[str], str]]] = {
    "code": steps.code,
    "wrong": steps.wrong_code,
    "picture": steps.text_in_picture,
    "claims": lambda token: json.dumps(
        steps.claims_of(token, f"{steps.BASE_URL}/sso/jwks/{steps.CLIENT_ID}")
    ),
}

if __name__ == "__main__":
    tell = TELLS[sys.argv[1]]
    print(tell(sys.argv[2]))
