"""Runs the programs of docs/how-to/sign-in.md, taken from the page, against a real server."""
