"""Options of `authfactor environments update` about factors and what stands in for them."""

from collections.abc import Callable
from typing import get_args

import click

from authfactor import models


def factor_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options about factors."""
    for option in (
        click.option(
            "--enrollment-needs-mfa/--enrollment-needs-no-mfa",
            default=None,
            help="Whether the API registers a passkey beside an active factor only if the request names a"
            " session in which a factor was just proven. Default: no.",
        ),
        click.option(
            "--list-factor-type",
            "listed_factor_types",
            multiple=True,
            type=click.Choice(get_args(models.FactorType)),
            help="Type of factors that the lists of the WorkOS API show. Can be repeated; replaces the list."
            " Default: totp alone, as older SDKs fail for others.",
        ),
        click.option(
            "--force",
            is_flag=True,
            help="Also change rp_id over passkeys that exist, which then stop working.",
        ),
        click.option(
            "--trusted-device-days",
            type=int,
            help="For how many days a device is trusted, 1 to 90. Default: 30.",
        ),
        click.option(
            "--trusted-devices",
            type=click.Choice(get_args(models.TrustedDevicePolicy)),
            help="Whether users may have devices trusted, which sign in without a code. Off ends them all.",
        ),
    ):
        command = option(command)
    return command
