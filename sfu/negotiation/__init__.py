"""From an offer to a transport: SDP, capabilities, negotiation, and the participant's transport in the plane."""
