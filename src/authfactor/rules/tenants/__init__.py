"""Environments with their API keys, and the users in them."""
