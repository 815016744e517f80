"""The audit log, its hash chain, and digests that seal ranges of events."""
