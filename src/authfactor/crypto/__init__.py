"""Secrets sealed at rest, the key ring, password hashes, signed tokens, encrypted backups."""
