"""The HTTP and WebSocket interfaces: REST, signalling, WHIP and WHEP. They translate and authorise, nothing else."""
