"""How clients speak to rooms: our WebSocket protocol as data, sessions over it, and the sessions of WHIP and WHEP."""
