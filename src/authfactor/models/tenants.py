"""Environments, their API keys, and users."""

from typing import Any, Literal

from authfactor.models.base import Record

MfaPolicy = Literal["off", "if_enrolled", "required"]
TrustedDevicePolicy = Literal["off", "allowed"]
FactorType = Literal["totp", "webauthn", "generic_otp", "sms"]
MessageKind = Literal[
    "email_verification",
    "magic_auth",
    "password_reset",
    "email_change",
    "invitation",
    "one_time_code",
    "factor_added",
    "factor_removed",
    "recovery_code_used",
    "trusted_device_created",
    "password_changed",
    "email_changed",
]
"""What a message is about; the last six are notices."""
SignInMethod = Literal["password", "magic_auth", "passkey"]
SignUpPolicy = Literal["open", "closed"]
EmailVerificationPolicy = Literal["off", "with_mail", "required"]


class Environment(Record, frozen=True, gc=False):
    """A tenant, with separate users, factors, keys and policy; `number` begins every primary key."""

    number: int
    client_id: str
    name: str
    team_name: str
    mfa_policy: MfaPolicy
    options: str
    created_at: int
    updated_at: int


class MfaTerms(Record, frozen=True, gc=False, omit_defaults=True):
    """The terms of a policy: from when a factor is required, days of grace, and which methods count.

    `required_from` in milliseconds; None: at once. `methods` None: all of them.
    """

    required_from: int | None = None
    grace_days: int = 0
    methods: tuple[str, ...] | None = None


class MfaRule(MfaTerms, frozen=True, gc=False, omit_defaults=True):
    """A policy for the users whose metadata has these values, or whose email has this domain."""

    policy: MfaPolicy = "off"
    metadata: dict[str, str] | None = None
    email_domain: str | None = None


class MfaOptions(MfaTerms, frozen=True, gc=False, omit_defaults=True):
    """What an environment's policy has besides `Environment.mfa_policy`; the first rule that matches counts.

    `users_differ`: operators have required a factor of single users, so that a sign-in must look;
    `grace_given`: they have given deadlines.
    """

    rules: tuple[MfaRule, ...] = ()
    users_differ: bool = False
    grace_given: bool = False


class GracePeriod(Record, frozen=True, gc=False):
    """A sign-in that goes on without the factor that the policy requires, until the deadline."""

    deadline: int


class AppliedPolicy(Record, frozen=True, gc=False):
    """The policy of an environment for one user at one time; `rule` is the index of the rule that matched.

    `mode` is `if_enrolled` before the day from which a factor is required. `differs`: operators have required
    a factor of single users of this environment.
    """

    mode: MfaPolicy
    grace_days: int
    methods: tuple[str, ...] | None
    rule: int | None
    required_from: int | None
    differs: bool

    def allows(self, method: str) -> bool:
        """Return whether a proof of this kind satisfies the policy."""
        return self.methods is None or method in self.methods


class SendLimits(Record, frozen=True, gc=False, omit_defaults=True):
    """How many messages are sent; `interval` in seconds, between two of a kind to one user or address.

    `per_hour` and `per_day` are for each user and address, `environment_per_hour` for all together.
    """

    interval: int = 30
    per_hour: int = 5
    per_day: int = 10
    environment_per_hour: int = 100


class MailOptions(Record, frozen=True, gc=False, omit_defaults=True):
    """That an environment has a sender of mail, and what it sends: all kinds but `off`.

    `locale` is the language of messages to users who have none.
    """

    off: tuple[str, ...] = ()
    locale: str = "en"
    limits: SendLimits = SendLimits()


class SignInOptions(Record, frozen=True, gc=False, omit_defaults=True):
    """How users of an environment sign in and up.

    `verify_email`: whether the email must be verified before a password signs in; `with_mail`: once the
    environment has a sender of mail. The URLs are of the application's own pages behind mailed links.
    """

    methods: tuple[SignInMethod, ...] = ("password", "magic_auth", "passkey")
    sign_up: SignUpPolicy = "open"
    verify_email: EmailVerificationPolicy = "off"
    password_reset_url: str | None = None
    invitation_url: str | None = None


class EnvironmentOptions(Record, frozen=True, gc=False):
    """Further options of an environment, stored as JSON in `Environment.options`.

    Devices are trusted for `trusted_device_days`, and until `trusted_devices_since` changes: when they were
    last switched on, in milliseconds.
    `webauthn` has the members of `webauthn.relying_party.RelyingParty` that differ from the defaults.
    `mail` is None without a sender.
    `production` None: unless the server is on loopback. `sign_in_url`: where the application begins sign-ins.
    `listed_factor_types` are those that the lists of the WorkOS API show. `enrollment_needs_mfa`: registering
    a passkey for a user who has an active factor takes a session that has just proven one.
    """

    logout_redirects: tuple[str, ...] = ()
    page_redirects: tuple[str, ...] = ()
    mfa: MfaOptions = MfaOptions()
    trusted_devices: TrustedDevicePolicy = "off"
    trusted_device_days: int = 30
    trusted_devices_since: int = 0
    webauthn: dict[str, Any] | None = None
    mail: MailOptions | None = None
    sign_in: SignInOptions = SignInOptions()
    production: bool | None = None
    sign_in_url: str | None = None
    listed_factor_types: tuple[FactorType, ...] = ("totp",)
    enrollment_needs_mfa: bool = False


class ApiKey(Record, frozen=True, gc=False):
    """An API key of one environment. Only its SHA-256 is stored; `hint` identifies it to operators."""

    environment: int
    id: str
    name: str
    hint: str
    created_at: int
    last_used_at: int | None
    revoked_at: int | None


class ApiCaller(Record, frozen=True, gc=False):
    """An authenticated caller: the environment and the id of its API key."""

    environment: Environment
    key_id: str


class UserRecord(Record, frozen=True, gc=False):
    """A user of an application. `metadata` is a JSON object as text."""

    id: str
    email: str
    email_verified: bool
    first_name: str | None
    last_name: str | None
    name: str | None
    profile_picture_url: str | None
    external_id: str | None
    metadata: str
    locale: str | None
    last_sign_in_at: int | None
    created_at: int
    updated_at: int
    password_hash: str | None
