"""Everything a one-time code is made of: RFC 6238, base32, the key URI, the QR code. Pure."""
