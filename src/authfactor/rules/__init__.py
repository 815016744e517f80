"""What the service decides. Rules see the store's protocol, a clock and entropy, never HTTP or a driver."""
