"""Trickle ICE fragments (RFC 8840 s9) of WHIP and WHEP, sent by PATCH (RFC 9725 s4.3).

An ICE lite agent learns addresses from connectivity checks and needs no candidates of the client. So fragments are
parsed, validated and otherwise ignored; only an ICE restart changes something.
"""

from dataclasses import dataclass, replace

from sfu import limits
from sfu.errors import NegotiationError
from sfu.negotiation import answer
from sfu.negotiation.attributes import credentials
from sfu.negotiation.sdp import Lines, levels_of
from sfu.negotiation.specs import Local, Negotiated


@dataclass(frozen=True, slots=True)
class Fragment:
    ufrag: str
    pwd: str
    candidates: tuple[str, ...]
    """Values of a=candidate, unparsed."""
    complete: bool
    """The fragment has a=end-of-candidates."""


def fragment(text: str) -> Fragment:
    """Parses a fragment. Raises `NegotiationError` with a sentence if it is none."""
    if len(text) > limits.FRAGMENT_OCTETS:
        raise NegotiationError(f"the fragment has {len(text)} characters, and {limits.FRAGMENT_OCTETS} are allowed")
    levels = [Lines(level) for level in levels_of(text)]
    found = [(level.value("ice-ufrag"), level.value("ice-pwd")) for level in levels]
    # RFC 8840 s9 allows them before the sections, in each section, or one at each place.
    session_ufrag, session_pwd = found[0]
    for ufrag, pwd in [*found[1:], found[0]]:
        ice = credentials(ufrag or session_ufrag, pwd or session_pwd)
        if ice is not None:
            break
    else:
        if all(None in pair for pair in found):
            raise NegotiationError("the fragment has no a=ice-ufrag and a=ice-pwd")
        raise NegotiationError(
            "a=ice-ufrag and a=ice-pwd of the fragment are not 4 and 22 to 256 letters, digits, + and /"
        )
    return Fragment(
        *ice,
        tuple(value for level in levels for value in level.values("candidate")),
        any(level.has("end-of-candidates") for level in levels),
    )


def restarts_ice(received: Fragment, negotiated: Negotiated) -> bool:
    """Returns whether the fragment has other credentials than the session: an ICE restart, not a trickled candidate."""
    return (received.ufrag, received.pwd) != (negotiated.remote_ufrag, negotiated.remote_pwd)


def restart(received: Fragment, negotiated: Negotiated, local: Local) -> tuple[str, Negotiated]:
    """Restarts ICE with the new credentials of `local`. Returns the reply's fragment and the new negotiated state."""
    if local.ufrag == negotiated.local_ufrag:
        raise ValueError("an ICE restart needs fresh local credentials")
    tagged = negotiated.section(negotiated.tag)
    kind = tagged.kind if tagged else "audio"
    media = "9 UDP/DTLS/SCTP webrtc-datachannel" if kind == "application" else "9 UDP/TLS/RTP/SAVPF 0"
    named = [section.mid for section in negotiated.sections if not section.rejected and not section.mid.startswith("(")]
    lines = [
        "a=ice-lite",
        "a=ice-options:trickle",
        *([f"a=group:BUNDLE {' '.join(named)}"] if named else []),
        f"m={kind} {media}",
        *([f"a=mid:{negotiated.tag}"] if named else []),
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
