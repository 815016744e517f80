"""Hosted sign-in: from the authorization request to the session, with this server's pages (decision 0051)."""
