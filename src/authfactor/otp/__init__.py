"""One-time codes: TOTP (RFC 6238), base32 secrets, the key URI, the QR code. Pure functions."""
