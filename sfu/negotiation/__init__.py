"""From an offer to a transport: SDP, what we speak, the negotiation, and one participant's place in the plane."""
