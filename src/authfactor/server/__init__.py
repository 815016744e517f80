"""Processes and sockets: listening, supervising workers, TLS, the metrics port."""
