"""What a session says about a passkey (RFC 8176, OpenID EAP)."""

from typing import Final

ACR_PHISHING_RESISTANT: Final = "urn:authfactor:acr:3"


def methods(*, after_password: bool, backup_eligible: bool, hardware: bool = False) -> str:
    """Return the authentication methods (`amr`) of a sign-in with a passkey, separated by spaces.

    `pop` and `user` are the proof of possession by a person who was there. A passkey that can be backed up is
    a key in software, `swk`. `hardware`: verified attestation leads to metadata that says so, `hwk`. PIN and
    biometrics are never claimed: how an authenticator verified its user stays with it.
    """
    named = ["pwd"] if after_password else []
    named += ["pop", "user", "mfa"]
    if backup_eligible:
        named.append("swk")
    elif hardware:
        named.append("hwk")
    return " ".join(named)
