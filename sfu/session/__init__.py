"""From an offer to a transport: SDP, negotiation, and one participant's place in the plane."""
