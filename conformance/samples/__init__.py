"""Runs the samples of the reference, the very files that the pages show, against a real server."""
