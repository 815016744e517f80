"""Rules of hosted sign-in that `core` makes when they are first needed."""

import functools
from typing import TYPE_CHECKING

from authfactor.ids import IdGenerator

if TYPE_CHECKING:
    from authfactor.models import Clock, Entropy
    from authfactor.rules.authentication.sessions import Sessions
    from authfactor.rules.authentication.step_up import StepUp
    from authfactor.rules.events.event_log import EventLog
    from authfactor.rules.hosted_sign_in.authorization_codes import AuthorizationCodes
    from authfactor.rules.hosted_sign_in.authorizations import Authorizations
    from authfactor.rules.hosted_sign_in.browser_sessions import BrowserSessions
    from authfactor.rules.hosted_sign_in.code_redemption import CodeRedemption
    from authfactor.rules.hosted_sign_in.device_authorizations import DeviceAuthorizations
    from authfactor.rules.hosted_sign_in.proven_sessions import ProvenSessions
    from authfactor.rules.hosted_sign_in.redirect_uris import CorsOrigins, RedirectUris
    from authfactor.rules.hosted_sign_in.sign_in_flows import SignInFlows
    from authfactor.settings import Settings


class DeferredHostedSignIn:
    """Makes each of them once, from the attributes that `core.Authfactor` has."""

    clock: "Clock"
    entropy: "Entropy"
    events: "EventLog"
    new_id: IdGenerator
    sessions: "Sessions"
    settings: "Settings"
    step_up: "StepUp"

    @functools.cached_property
    def browser_sessions(self) -> "BrowserSessions":
        """Hosted sessions."""
        from authfactor.rules.hosted_sign_in.browser_sessions import BrowserSessions  # noqa: PLC0415 - for browsers

        return BrowserSessions(self.entropy, self.new_id, self.settings)

    @functools.cached_property
    def authorization_codes(self) -> "AuthorizationCodes":
        """Authorization codes."""
        from authfactor.rules.hosted_sign_in.authorization_codes import AuthorizationCodes  # noqa: PLC0415 - for hosted sign-in

        return AuthorizationCodes(self.entropy)

    @functools.cached_property
    def sign_in_flows(self) -> "SignInFlows":
        """Visits of the sign-in pages."""
        from authfactor.rules.hosted_sign_in.sign_in_flows import SignInFlows  # noqa: PLC0415 - for browsers

        made_with = self.clock, self.entropy, self.new_id, self.step_up
        devices = lambda: self.device_authorizations  # noqa: E731 - made for the few flows that approve one
        return SignInFlows(*made_with, self.browser_sessions, self.authorization_codes, devices)

    @functools.cached_property
    def proven_sessions(self) -> "ProvenSessions":
        """Sessions made of what was proven on the pages."""
        from authfactor.rules.hosted_sign_in.proven_sessions import ProvenSessions  # noqa: PLC0415 - for hosted sign-in

        rules = self.sessions, self.step_up, self.browser_sessions
        return ProvenSessions(self.new_id, self.events, self.settings, *rules)

    @functools.cached_property
    def code_redemption(self) -> "CodeRedemption":
        """The grant of authorization codes."""
        from authfactor.rules.hosted_sign_in.code_redemption import CodeRedemption  # noqa: PLC0415 - for hosted sign-in

        return CodeRedemption(self.clock, self.sessions, self.proven_sessions)

    @functools.cached_property
    def device_authorizations(self) -> "DeviceAuthorizations":
        """Sign-ins of devices without a browser."""
        from authfactor.rules.hosted_sign_in.device_authorizations import DeviceAuthorizations  # noqa: PLC0415 - for devices

        return DeviceAuthorizations(self.clock, self.entropy, self.new_id, self.proven_sessions)

    @functools.cached_property
    def redirect_uris(self) -> "RedirectUris":
        """Redirect URIs."""
        from authfactor.rules.hosted_sign_in.redirect_uris import RedirectUris  # noqa: PLC0415 - for administration

        return RedirectUris(self.clock, self.new_id, self.settings)

    @functools.cached_property
    def cors_origins(self) -> "CorsOrigins":
        """Origins of browser clients."""
        from authfactor.rules.hosted_sign_in.redirect_uris import CorsOrigins  # noqa: PLC0415 - for administration

        return CorsOrigins(self.clock, self.new_id, self.settings)

    @functools.cached_property
    def authorizations(self) -> "Authorizations":
        """Answers to authorization requests."""
        from authfactor.rules.hosted_sign_in.authorizations import Authorizations  # noqa: PLC0415 - for browsers

        rules = self.browser_sessions, self.authorization_codes, self.sign_in_flows
        return Authorizations(self.clock, self.settings, self.step_up, *rules)
