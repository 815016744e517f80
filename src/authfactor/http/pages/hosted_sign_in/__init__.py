"""Pages of the hosted sign-in."""
