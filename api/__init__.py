"""The doors: REST, WebSocket, WHIP and WHEP. They translate and authorise, and nothing else."""
