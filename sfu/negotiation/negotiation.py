"""Negotiates an offer into an answer and specs for the plane (RFC 9429, 8843, 8853). Pure: no clock, no plane.

The client always offers. Sections keep their place; all accepted sections share one transport. An unusable section gets
port 0; a section that the participant is not permitted to use is answered in one direction or inactive. A bad offer
raises `NegotiationError` and changes nothing, because the functions here have no state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sfu.errors import NegotiationError
from sfu.negotiation import answer
from sfu.negotiation.sdp import MediaSection, SessionDescription
from sfu.negotiation.sections import Sections
from sfu.negotiation.specs import (
    Allow,
    Encoding,
    Local,
    Negotiated,
    PayloadType,
    Publication,
    ReceiveSection,
    Sctp,
    Section,
)
from sfu.quoting import quote

__all__ = [
    "Allow",
    "Encoding",
    "Local",
    "Negotiated",
    "PayloadType",
    "Publication",
    "ReceiveSection",
    "Sctp",
    "Section",
    "negotiate",
    "restarts_ice",
]


@dataclass(frozen=True, slots=True)
class Remote:
    """The client's end of the transport, from the offer."""

    ufrag: str
    pwd: str
    fingerprints: tuple[tuple[str, bytes], ...]
    setup: str | None
    tls_id: str | None


def restarts_ice(offer: SessionDescription, previous: Negotiated | None) -> bool:
    """Returns whether the offer has other ICE credentials than before. Then `Local` must have new ones, too (RFC 8445
    s9)."""
    if previous is None or not _candidates(offer):
        return False
    remote = _remote(offer)
    return (remote.ufrag, remote.pwd) != (previous.remote_ufrag, previous.remote_pwd)


def negotiate(
    offer: SessionDescription,
    *,
    local: Local,
    previous: Negotiated | None,
    allow: Allow,
    new_ssrc: Callable[[], int],
) -> Negotiated:
    """Answers the offer. `previous` is the result of the last one, `new_ssrc` a source of random SSRCs.

    Raises `NegotiationError` with a sentence for the client. Raises `ValueError` if the offer restarts ICE and `local`
    still has the credentials of the previous answer.
    """
    _check_places(offer, previous)
    restarted = restarts_ice(offer, previous)
    if restarted and previous is not None and local.ufrag == previous.local_ufrag:
        raise ValueError("an ICE restart needs fresh local credentials")
    remote = _remote(offer) if previous is None or _candidates(offer) else _unchanged(previous)
    changed = previous is not None and (
        set(remote.fingerprints) != set(previous.fingerprints) or remote.tls_id != previous.tls_id
    )
    role = _role(remote.setup, None if previous is None or changed else previous.role)
    changed = changed or (previous is not None and role != previous.role)

    negotiating = Sections(offer, previous, allow, new_ssrc)
    lines = negotiating.answered()
    sections = tuple(line.section for line in lines)
    if all(section.rejected for section in sections) and (previous is None or negotiating.faults):
        raise NegotiationError(next(iter(negotiating.faults), "") or _nothing_in_common(offer, allow))
    version = 1 if previous is None else previous.version + 1
    mids = {section.mid for section in sections if not section.rejected}
    bundle = tuple(mid for mid in dict.fromkeys(offer.bundle or ()) if mid in mids)
    text = answer.write(offer, lines, local=local, role=role, tls_id=remote.tls_id, bundle=bundle, version=version)
    return Negotiated(
        answer=text,
        sections=sections,
        local_ufrag=local.ufrag,
        remote_ufrag=remote.ufrag,
        remote_pwd=remote.pwd,
        role=role,
        fingerprints=remote.fingerprints,
        sctp=next((line.sctp for line in lines if line.sctp), None),
        ice_restarted=restarted,
        association_changed=changed,
        tls_id=remote.tls_id,
        version=version,
        tag=answer.tag(lines, bundle),
    )


def _candidates(offer: SessionDescription) -> list[MediaSection]:
    """Returns the sections that may describe the transport, in the order of the bundle, then of the offer."""
    live = [section for section in offer.sections if not section.stopped]
    by_mid = {section.mid: section for section in live}
    return [*(by_mid[mid] for mid in dict.fromkeys(offer.bundle or ()) if mid in by_mid), *live]


def _remote(offer: SessionDescription) -> Remote:
    """Returns the client's end from the first section with usable values: if one section lacks them, another one of the
    bundle has them."""
    candidates = _candidates(offer)
    if not candidates:
        raise NegotiationError("the offer has no m-section that can be used")
    if offer.session.has("ice-lite"):
        raise NegotiationError(
            "a=ice-lite: both the offer and the server are ICE lite, so neither would send checks: offer full ICE"
        )
    tagged = next((section for section in candidates if section.ice), None)
    if tagged is None or tagged.ice is None:
        raise NegotiationError(_no_credentials(candidates[0]))
    fingerprints = tagged.fingerprints or next((s.fingerprints for s in candidates if s.fingerprints), ())
    if not fingerprints:
        raise NegotiationError(_no_fingerprint(tagged))
    return Remote(*tagged.ice, fingerprints, tagged.setup, tagged.tls_id)


def _no_credentials(section: MediaSection) -> str:
    ufrag, pwd = section.inherited("ice-ufrag"), section.inherited("ice-pwd")
    if ufrag is None or pwd is None:
        return "the offer has no a=ice-ufrag and a=ice-pwd"
    return "the offer has a=ice-ufrag and a=ice-pwd that are not 4 and 22 to 256 letters, digits, + and /"


def _no_fingerprint(section: MediaSection) -> str:
    line = section.inherited("fingerprint")
    if line is None:
        return "the offer has no a=fingerprint"
    quoted = quote(f"a=fingerprint:{line}")
    return f"{quoted} is not sha-256, sha-384 or sha-512 with a digest of 32, 48 or 64 octets"


def _unchanged(previous: Negotiated) -> Remote:
    """Returns the same transport for an offer that stopped every section, because later offers may add others."""
    return Remote(previous.remote_ufrag, previous.remote_pwd, previous.fingerprints, "actpass", previous.tls_id)


def _role(setup: str | None, current: Literal["server", "client"] | None) -> Literal["server", "client"]:
    """Returns our role: passive if the offer allows it, and unchanged during the association (RFC 8842 s5.3)."""
    match setup:
        case "active":
            return "server"
        case "passive":
            return "client"
        case _:  # With actpass, without a=setup, or with an invalid one (RFC 8842 s5.1), any role is allowed.
            return current or "server"


def _check_places(offer: SessionDescription, previous: Negotiated | None) -> None:
    """Raises if a section is missing. Sections keep their place forever (RFC 3264 s8), because answers refer to
    places."""
    if not offer.sections:
        raise NegotiationError("the offer has no m-section")
    if previous is not None and len(offer.sections) < len(previous.sections):
        raise NegotiationError(
            f"the offer has {len(offer.sections)} m-sections where {len(previous.sections)} were negotiated"
        )


def _nothing_in_common(offer: SessionDescription, allow: Allow) -> str:
    live = [section for section in offer.sections if not section.stopped]
    if not allow.data and all(section.kind == "application" for section in live):
        return "the offer has nothing but data channels, which are not allowed"
    names = dict.fromkeys(c.name for s in live for c in s.codecs if c.name not in ("rtx", "red"))
    if not names:
        return "the offer has nothing that the server supports"
    return f"the offer has no supported codec, only {quote(', '.join(names))}"
