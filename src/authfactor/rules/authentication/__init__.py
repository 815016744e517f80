"""Sign-in: passwords, pending sign-ins, sessions, access tokens."""
