//! To whom a message goes: the envelope of our own channels, and the plain fan-out of all others.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::command::Route;
use crate::discard::Discard;
use crate::id::ChannelId;

/// The destination that is the server itself.
const SERVER: &str = "server";

/// One message on its way out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    pub to: Vec<ChannelId>,
    pub to_server: bool,
    /// As it leaves: with an envelope, the sender stands where the destination stood.
    pub payload: Vec<u8>,
}

/// Where `payload`, which came on channel `from`, goes by the route of that channel.
///
/// With a sender in the route, it begins with an envelope: one byte n, then n bytes of ASCII that name the destination.
/// None is everybody (but not the server), `server` is the server; else it is the targets of that name.
pub fn deliver(route: &Route, from: ChannelId, payload: &[u8]) -> Result<Delivery, Discard> {
    let others = route.targets.iter().filter(|(_, channel)| *channel != from);
    let Some(sender) = &route.sender else {
        let to = others.map(|(_, channel)| *channel).collect();
        return Ok(Delivery { to, to_server: route.to_server, payload: payload.to_vec() });
    };

    let (&length, rest) = payload.split_first().ok_or(Discard::Truncated)?;
    let (destination, body) = rest.split_at_checked(usize::from(length)).ok_or(Discard::Truncated)?;
    let to_server = destination == SERVER.as_bytes();
    let to: Vec<ChannelId> = others
        .filter(|(name, _)| !to_server && (destination.is_empty() || name.as_bytes() == destination))
        .map(|(_, channel)| *channel)
        .collect();
    // Everybody may be nobody, in an empty room; a name must be somebody's.
    if to.is_empty() && !to_server && !destination.is_empty() {
        return Err(Discard::MessageUnrouted);
    }
    Ok(Delivery { to, to_server, payload: seal(sender, body) })
}

/// The envelope that a receiver sees: `sender`, in 255 bytes at most, and then the body.
pub fn seal(sender: &str, body: &[u8]) -> Vec<u8> {
    let name = sender.as_bytes().get(..usize::from(u8::MAX)).unwrap_or(sender.as_bytes());
    let mut sealed = Vec::with_capacity(name.len().saturating_add(body.len()).saturating_add(1));
    sealed.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    sealed.extend_from_slice(name);
    sealed.extend_from_slice(body);
    sealed
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FROM: ChannelId = ChannelId(1);

    fn route(sender: Option<&str>) -> Route {
        let targets = [("PA_a", 1), ("PA_b", 2), ("PA_b", 3), ("PA_c", 4)];
        Route {
            sender: sender.map(str::to_owned),
            targets: targets.iter().map(|(name, id)| (name.to_string(), ChannelId(*id))).collect(),
            to_server: false,
        }
    }

    #[test]
    #[allow(clippy::type_complexity)]
    fn the_envelope_names_who_gets_it_and_arrives_naming_who_sent_it() {
        let route = route(Some("PA_a"));
        let table: [(&[u8], Result<(&[u64], bool, &[u8]), Discard>); 9] = [
            (b"\x00hello", Ok((&[2, 3, 4], false, b"\x04PA_ahello"))),
            (b"\x00", Ok((&[2, 3, 4], false, b"\x04PA_a"))),
            (b"\x04PA_chello", Ok((&[4], false, b"\x04PA_ahello"))),
            (b"\x04PA_bhello", Ok((&[2, 3], false, b"\x04PA_ahello"))),
            (b"\x06serverhello", Ok((&[], true, b"\x04PA_ahello"))),
            (b"\x04PA_dhello", Err(Discard::MessageUnrouted)),
            (b"\x04PA_ahello", Err(Discard::MessageUnrouted)), // oneself: never back where it came from
            (b"\x06PA_c", Err(Discard::Truncated)),
            (b"", Err(Discard::Truncated)),
        ];
        for (payload, expected) in table {
            let delivery = deliver(&route, FROM, payload);
            let expected = expected.map(|(to, to_server, payload)| Delivery {
                to: to.iter().copied().map(ChannelId).collect(),
                to_server,
                payload: payload.to_vec(),
            });
            assert_eq!(delivery, expected, "{payload:?}");
        }
    }

    #[test]
    fn without_a_sender_it_is_passed_on_as_it_is() {
        for to_server in [false, true] {
            let delivery = deliver(&Route { to_server, ..route(None) }, FROM, b"\x04PA_c").unwrap();
            assert_eq!(delivery.to, [ChannelId(2), ChannelId(3), ChannelId(4)]);
            assert_eq!((delivery.to_server, delivery.payload.as_slice()), (to_server, b"\x04PA_c".as_slice()));
        }
    }

    #[test]
    fn a_message_to_everybody_in_an_empty_room_is_no_fault() {
        let alone = Route { targets: Vec::new(), ..route(Some("PA_a")) };
        assert_eq!(deliver(&alone, FROM, b"\x00x").unwrap().to, []);
    }
}
