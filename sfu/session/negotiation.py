"""From an offer to an answer and to what the plane must know (RFC 9429, 8843, 8853): pure, no clock, no plane.

The client always offers. Sections keep their place; all that we accept go over one transport. What we cannot use gets
port 0, what the participant may not do is answered one way or inactive. A bad offer raises `NegotiationError` and,
since nothing here has a state, changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sfu.errors import NegotiationError
from sfu.session import answer
from sfu.session.sdp import MediaSection, SessionDescription
from sfu.session.sections import Sections
from sfu.session.specs import (
    Allow,
    Encoding,
    Local,
    Negotiated,
    PayloadType,
    Publication,
    Sctp,
    Section,
    Slot,
)

__all__ = [
    "Allow",
    "Encoding",
    "Local",
    "Negotiated",
    "PayloadType",
    "Publication",
    "Sctp",
    "Section",
    "Slot",
    "negotiate",
    "restarts_ice",
]

# Octets of each hash we compare certificates with.
DIGESTS = {"sha-256": 32, "sha-384": 48, "sha-512": 64}


@dataclass(frozen=True, slots=True)
class Remote:
    """What the offer says of the client's end of the transport."""

    ufrag: str
    pwd: str
    fingerprints: tuple[tuple[str, bytes], ...]
    setup: str | None
    tls_id: str | None


def restarts_ice(offer: SessionDescription, previous: Negotiated | None) -> bool:
    """Whether the offer has other ICE credentials than before: then `Local` must have fresh ones too (RFC 8445 s9)."""
    if previous is None or _tagged(offer) is None:
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
    """Answers the offer. `previous` is what the last one yielded, `new_ssrc` a source of random SSRCs.

    Raises `NegotiationError` with a sentence for the client; `ValueError` if the offer restarts ICE and `local` still
    has the credentials of the previous answer.
    """
    _check_places(offer, previous)
    restarted = restarts_ice(offer, previous)
    if restarted and previous is not None and local.ufrag == previous.local_ufrag:
        raise ValueError("an ICE restart needs fresh local credentials")
    remote = _remote(offer) if _tagged(offer) or previous is None else _unchanged(previous)
    changed = previous is not None and (
        set(remote.fingerprints) != set(previous.fingerprints) or remote.tls_id != previous.tls_id
    )
    role = _role(remote.setup, None if previous is None or changed else previous.role)
    changed = changed or (previous is not None and role != previous.role)

    lines = Sections(offer, previous, allow, new_ssrc).answered()
    sections = tuple(line.section for line in lines)
    if previous is None and all(section.rejected for section in sections):
        raise NegotiationError(_nothing_in_common(offer, allow))
    version = 1 if previous is None else previous.version + 1
    mids = {section.mid for section in sections if not section.rejected}
    bundle = tuple(mid for mid in offer.bundle if mid in mids) if offer.bundle is not None else None
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


def _tagged(offer: SessionDescription) -> MediaSection | None:
    """The section that speaks for the transport: the first of the bundle, or of the offer, with ICE credentials."""
    live = [section for section in offer.sections if not section.stopped]
    by_mid = {section.mid: section for section in live}
    bundled = [by_mid[mid] for mid in offer.bundle or () if mid in by_mid]
    candidates = [*bundled, *live]
    return next((section for section in candidates if section.ice), candidates[0] if candidates else None)


def _remote(offer: SessionDescription) -> Remote:
    section = _tagged(offer)
    if section is None:
        raise NegotiationError("the offer has no m-section that is wanted")
    ice = section.ice
    if ice is None:
        raise NegotiationError("the offer has no a=ice-ufrag and a=ice-pwd")
    if offer.session.has("ice-lite"):
        raise NegotiationError("the offer is ICE lite, as we are: nobody would send checks")
    offered = section.fingerprints
    if not offered:
        raise NegotiationError("the offer has no a=fingerprint")
    for name, digest in offered:
        if len(digest) != DIGESTS.get(name, len(digest)):
            raise NegotiationError(f"the {name} fingerprint has {len(digest)} octets instead of {DIGESTS[name]}")
    fingerprints = tuple(fingerprint for fingerprint in offered if fingerprint[0] in DIGESTS)
    if not fingerprints:
        raise NegotiationError("the offer has no fingerprint of sha-256, sha-384 or sha-512")
    return Remote(*ice, fingerprints, section.setup, section.tls_id)


def _unchanged(previous: Negotiated) -> Remote:
    """Every section was stopped: the transport stays as it is, for those that come."""
    return Remote(previous.remote_ufrag, previous.remote_pwd, previous.fingerprints, "actpass", previous.tls_id)


def _role(setup: str | None, current: Literal["server", "client"] | None) -> Literal["server", "client"]:
    """Ours: passive whenever the offer allows it, and unchanged while the association lasts (RFC 8842 s5.3)."""
    match setup:
        case None | "actpass":  # without a=setup any role will do: RFC 8842 wants it, old clients forget it
            return current or "server"
        case "active":
            return "server"
        case "passive":
            return "client"
    raise NegotiationError(f"a=setup:{setup[:20]} is neither actpass, active nor passive")


def _check_places(offer: SessionDescription, previous: Negotiated | None) -> None:
    """Sections keep their place and mid for ever, except where one was rejected (RFC 9429 s5.2.2)."""
    if not offer.sections:
        raise NegotiationError("the offer has no m-section")
    mids: set[str] = set()
    for index, section in enumerate(offer.sections):
        if not section.mid and not section.stopped:
            raise NegotiationError(f"m-section {index} has no a=mid")
        if section.mid in mids:
            raise NegotiationError(f"two m-sections have the mid {section.mid!r}")
        if section.mid:
            mids.add(section.mid)
    if previous is None:
        return
    if len(offer.sections) < len(previous.sections):
        raise NegotiationError(
            f"the offer has {len(offer.sections)} m-sections where {len(previous.sections)} were negotiated"
        )
    for section, before in zip(offer.sections, previous.sections, strict=False):
        if section.stopped or before.rejected:
            continue
        if (section.mid, section.kind) != (before.mid, before.kind):
            raise NegotiationError(
                f"the {before.kind} section {before.mid!r} was not stopped, and is now {section.kind} {section.mid!r}"
            )


def _nothing_in_common(offer: SessionDescription, allow: Allow) -> str:
    live = [section for section in offer.sections if not section.stopped]
    if offer.bundle is not None and not any(section.mid in offer.bundle for section in live):
        return "a=group:BUNDLE names none of the m-sections"
    if not allow.data and all(section.kind == "application" for section in live):
        return "the offer has nothing but data channels, which are not allowed"
    names = dict.fromkeys(c.name for s in live for c in s.codecs if c.name not in ("rtx", "red"))
    if not names:
        return "the offer has nothing that we speak"
    return f"the offer has no codec that we speak, only {', '.join(list(names)[:8])}"
