"""Retention, key rotation, and making a restored database safe."""
