"""Publishers and subscribers at a rate, and the figures they show; `bot`: one participant that plays and records."""
