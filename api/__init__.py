"""The HTTP and WebSocket interfaces: REST, signalling, WHIP and WHEP. They only translate and authorise requests."""
