"""Sealing secrets, hashing passwords, signing tokens; the key ring that holds the keys."""
