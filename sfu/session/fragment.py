"""Trickle ICE fragments (RFC 8840 s9), as WHIP and WHEP send them by PATCH (RFC 9725 s4.3).

We need no candidate of the client: as an ICE lite agent we learn addresses from the checks themselves. So trickling is
read, checked and otherwise ignored, and only an ICE restart changes something.
"""

from dataclasses import dataclass, replace

from sfu import limits
from sfu.errors import NegotiationError
from sfu.session import answer
from sfu.session.sdp import Lines, MediaSection, credentials, levels_of
from sfu.session.specs import Local, Negotiated


@dataclass(frozen=True, slots=True)
class Fragment:
    ufrag: str
    pwd: str
    candidates: tuple[str, ...]
    """Values of a=candidate, as they came."""
    complete: bool
    """There is an a=end-of-candidates."""


def fragment(text: str) -> Fragment:
    """Reads a fragment. Raises `NegotiationError` with a sentence if it is none."""
    if len(text) > limits.FRAGMENT_OCTETS:
        raise NegotiationError(f"the fragment has {len(text)} characters, and {limits.FRAGMENT_OCTETS} are allowed")
    first, *rest = levels_of(text)
    session = Lines(first)
    sections = [MediaSection(level, session) for level in rest]
    for section in sections:
        if section.ice:
            ice = section.ice
            break
    else:
        found = credentials(session.value("ice-ufrag"), session.value("ice-pwd"))
        if found is None:
            raise NegotiationError("the fragment has no a=ice-ufrag and a=ice-pwd")
        ice = found
    levels: list[Lines] = [session, *sections]
    return Fragment(
        *ice,
        tuple(value for level in levels for value in level.values("candidate")),
        any(level.has("end-of-candidates") for level in levels),
    )


def restarts_ice(received: Fragment, negotiated: Negotiated) -> bool:
    """Whether the fragment has other credentials than the session: an ICE restart, not a trickled candidate."""
    return (received.ufrag, received.pwd) != (negotiated.remote_ufrag, negotiated.remote_pwd)


def restart(received: Fragment, negotiated: Negotiated, local: Local) -> tuple[str, Negotiated]:
    """Restarts ICE with `local`'s fresh credentials: the fragment to answer with, and what is negotiated now."""
    if local.ufrag == negotiated.local_ufrag:
        raise ValueError("an ICE restart needs fresh local credentials")
    tagged = negotiated.section(negotiated.tag)
    kind = tagged.kind if tagged else "audio"
    media = "9 UDP/DTLS/SCTP webrtc-datachannel" if kind == "application" else "9 UDP/TLS/RTP/SAVPF 0"
    bundle = [section.mid for section in negotiated.sections if not section.rejected]
    lines = [
        "a=ice-lite",
        "a=ice-options:trickle",
        f"a=group:BUNDLE {' '.join(bundle)}",
        f"m={kind} {media}",
        f"a=mid:{negotiated.tag}",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.pwd}",
        *answer.candidates(local),
    ]
    restarted = replace(
        negotiated,
        local_ufrag=local.ufrag,
        remote_ufrag=received.ufrag,
        remote_pwd=received.pwd,
        ice_restarted=True,
        association_changed=False,
    )
    return "\r\n".join(lines) + "\r\n", restarted
