"""The endpoints: each handler parses, runs one unit, and renders the result."""
