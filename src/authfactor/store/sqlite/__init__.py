"""The embedded database: group commit, checkpoints, backups."""
