"""Outbound requests: which addresses webhooks may reach (`ssrf_guard`), and sending (`webhook_sender`)."""
