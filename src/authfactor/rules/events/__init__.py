"""The event log, webhook endpoints and deliveries."""
