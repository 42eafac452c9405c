//! How the values of the table depend on each other.

use super::*;
use crate::batch::Batch;
use crate::bwe::{Estimator, History as Sent};
use crate::receive::arrival_times::ArrivalTimes;
use crate::receive::cache::FIRST_ROOM;
use crate::receive::nack::Nacks;
use crate::send::history::History;
use crate::send::redundancy;
use crate::send::repeats::Repeats;
use crate::srtp::{self, Profile};

/// Octets of memory of a packet that is kept: its payload, and what is noted of it.
const KEPT_PACKET: usize = 1_460 + 300;

#[test]
fn limits_that_follow_from_one_another_fit() {
    let profiles = [Profile::Aes128Gcm, Profile::Aes256Gcm, Profile::Aes128CmSha1_80];
    let tag = profiles.into_iter().map(Profile::tag_length).max().unwrap_or(0);
    let table = [
        ("a compound, its index and its tag are one datagram", COMPOUND + 4 + tag, DATAGRAM),
        ("an SCTP packet in its record is one datagram", SCTP_PACKET + 13 + 16 + 32 + 16, DATAGRAM),
        (
            "redundant sound is one datagram, with a MID of 16",
            redundancy::MOST_OCTETS + 12 + 2 + 7 + 18 + 9 + 16,
            DATAGRAM,
        ),
        ("what we make is no larger than what we read", DATAGRAM, ANY_DATAGRAM),
        ("what is missing can still be taken", MISSING_PACKETS, ENCODING_HISTORY as usize),
        ("what can still be taken is kept", ENCODING_HISTORY as usize, CACHED_VIDEO),
        ("what can be sent again is kept", SENT_VIDEO, CACHED_VIDEO),
        ("one picture may begin anew, however large", START_PACKETS * ANY_DATAGRAM, STARTS_AT_ONCE),
        (
            "what a datagram causes is the sum of its parts",
            STARTS_AT_ONCE
                + REPAIRS_AT_ONCE
                + ANY_DATAGRAM
                + COMPOUNDS_WAITING * DATAGRAM
                + (WAITING_CONTROL + HANDSHAKE_DATAGRAMS) * ANY_DATAGRAM,
            CAUSED_AT_ONCE,
        ),
        (
            "the work of a datagram is the sum of its parts",
            NAMED
                + STATUSES_AT_ONCE
                + STARTS_AT_ONCE / MEDIA_OVERHEAD
                + TRACKS * SDP_ENCODINGS
                + 2 * SLOTS
                + REQUESTED_AT_ONCE,
            STEPS_PER_DATAGRAM,
        ),
        ("a first frame is a datagram", FIRST_FRAME, ANY_DATAGRAM),
        ("media never fills what may wait for a connection", crate::link::most_unsent() + ANY_DATAGRAM, LINK_QUEUE),
        ("each timer is a step", crate::timer::Timer::ALL.len(), TIMERS),
        ("whoever is sent little may have all of its burst", REPAIR_BURST, REPAIRS_AT_ONCE),
        ("an outage is shorter than what is remembered", ARRIVAL_HOLE as usize, ARRIVALS),
        ("no number is remembered twice", ARRIVALS, usize::from(FEEDBACK_STATUSES)),
        ("what is reported of a hole ends behind it", ARRIVAL_HOLE as usize, STATUSES_REPORTED),
        ("also of sound", SENT_AUDIO, CACHED_AUDIO),
        ("also to those without RTX", REPEATED as usize, SENT_AUDIO),
        ("each section we send in has its SSRC, pictures one more for RTX", 3 * SLOTS, SSRCS),
        ("what we send with at a time can be retired", SSRCS, RETIRED_SSRCS),
        (
            "some packets of every encoding are kept",
            TRACKS * SDP_ENCODINGS * FIRST_ROOM * KEPT_PACKET,
            KEPT_PER_TRANSPORT,
        ),
        (
            "what left through all slots is noted",
            SLOTS * (SENT_VIDEO + SENT_AUDIO) * History::PLACE + 2 * SLOTS * REPEATED as usize * Repeats::PLACE,
            SENT_MEMORY,
        ),
        // Lists that grow take up to twice what is in them.
        ("what is missing is noted", TRACKS * SDP_ENCODINGS * 2 * MISSING_PACKETS * Nacks::PLACE, MISSING_MEMORY),
        (
            "arrivals are noted",
            (ARRIVALS + ARRIVAL_HOLE as usize).next_power_of_two() * ArrivalTimes::PLACE,
            ARRIVALS_MEMORY,
        ),
        (
            "what was sent with a number is noted, in a list that grows up to twice its content",
            2 * SENT_NUMBERS * Sent::PLACE + size_of::<Estimator>(),
            ESTIMATOR_MEMORY,
        ),
        ("a number that is remembered is told apart from others", SENT_NUMBERS, usize::from(FEEDBACK_STATUSES)),
        ("windows of all SSRCs are kept", srtp::MOST_MEMORY, WINDOWS_MEMORY),
        (
            "what waits is bounded by its kinds",
            (WAITING_CONTROL + HANDSHAKE_DATAGRAMS) * ANY_DATAGRAM + COMPOUNDS_WAITING * DATAGRAM,
            WAITING_MEMORY,
        ),
        ("one participant cannot take what all have", 16 * KEPT_PER_TRANSPORT, KEPT_PER_WORKER),
    ];
    for (what, needed, given) in table {
        assert!(needed <= given, "{what}: {needed} are needed, {given} there");
    }
    assert!(Batch::default().has_room(ANY_DATAGRAM));
}
