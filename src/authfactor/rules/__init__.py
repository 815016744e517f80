"""The rules of the service. They know the store's protocol, a clock and entropy, but not HTTP or drivers."""
