//! Groups of channels that forward messages to one another, either with an envelope or unchanged.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use crate::command::Member;
use crate::discard::Discard;
use crate::id::ChannelId;

/// The destination name of the server.
const SERVER: &str = "server";

/// One outgoing message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    pub to: Vec<ChannelId>,
    pub to_server: bool,
    /// The payload to send. If the group has envelopes, the sender's name replaces the destination.
    pub payload: Vec<u8>,
}

/// A group of channels. The cost of joining and leaving does not depend on the size of the group.
#[derive(Debug)]
pub struct Group {
    is_enveloped: bool,
    members: BTreeMap<ChannelId, Member>,
    /// The channels of each name.
    by_name: HashMap<String, Vec<ChannelId>>,
}

impl Group {
    /// `is_enveloped`: messages begin with an envelope: one byte n, then n bytes of ASCII that name the destination.
    pub fn new(is_enveloped: bool) -> Self {
        Self { is_enveloped, members: BTreeMap::new(), by_name: HashMap::new() }
    }

    /// Adds a channel. If it is already a member, it gets the new name and permission.
    pub fn join(&mut self, channel: ChannelId, member: Member) {
        self.leave(channel);
        self.by_name.entry(member.name.clone()).or_default().push(channel);
        self.members.insert(channel, member);
    }

    pub fn leave(&mut self, channel: ChannelId) {
        let Some(member) = self.members.remove(&channel) else { return };
        if let Some(channels) = self.by_name.get_mut(&member.name) {
            channels.retain(|&other| other != channel);
            if channels.is_empty() {
                self.by_name.remove(&member.name);
            }
        }
    }

    pub fn channels(&self) -> impl Iterator<Item = ChannelId> {
        self.members.keys().copied()
    }

    /// Routes `payload`, received on the channel `from`. It never goes to a channel of the sender's name.
    ///
    /// An empty destination in the envelope means everybody except the server, `server` means the server, and any other
    /// destination means the members of that name.
    pub fn deliver(&self, from: ChannelId, payload: &[u8]) -> Result<Delivery, Discard> {
        let sender = self.members.get(&from).filter(|sender| sender.may_send).ok_or(Discard::MessageUnrouted)?;
        if !self.is_enveloped {
            return Ok(Delivery { to: self.others(sender), to_server: false, payload: payload.to_vec() });
        }

        let (&length, rest) = payload.split_first().ok_or(Discard::Truncated)?;
        let (destination, body) = rest.split_at_checked(usize::from(length)).ok_or(Discard::Truncated)?;
        let to_server = destination == SERVER.as_bytes();
        let to = match destination {
            [] => self.others(sender),
            _ if to_server => Vec::new(),
            // A named destination must exist. An empty destination is valid even if nobody else is in the room.
            name => self.named(name, sender).ok_or(Discard::MessageUnrouted)?,
        };
        Ok(Delivery { to, to_server, payload: seal(&sender.name, body) })
    }

    fn others(&self, sender: &Member) -> Vec<ChannelId> {
        let own = self.by_name.get(&sender.name).map_or(&[] as &[_], Vec::as_slice);
        self.channels().filter(|channel| !own.contains(channel)).collect()
    }

    fn named(&self, name: &[u8], sender: &Member) -> Option<Vec<ChannelId>> {
        let name = std::str::from_utf8(name).ok().filter(|&name| name != sender.name)?;
        self.by_name.get(name).cloned()
    }
}

/// Returns the message with its envelope for a receiver: `sender`, cut to 255 bytes, then the body.
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

    fn group(is_enveloped: bool) -> Group {
        let mut group = Group::new(is_enveloped);
        for (name, id) in [("PA_a", 1), ("PA_b", 2), ("PA_b", 3), ("PA_c", 4)] {
            group.join(ChannelId(id), Member { name: name.to_owned(), may_send: true });
        }
        group
    }

    fn reached(group: &Group, from: u64, payload: &[u8]) -> Vec<u64> {
        group.deliver(ChannelId(from), payload).unwrap().to.iter().map(|channel| channel.0).collect()
    }

    #[test]
    #[allow(clippy::type_complexity)]
    fn the_envelope_names_who_gets_it_and_arrives_naming_who_sent_it() {
        let group = group(true);
        let table: [(&[u8], Result<(&[u64], bool, &[u8]), Discard>); 10] = [
            (b"\x00hello", Ok((&[2, 3, 4], false, b"\x04PA_ahello"))),
            (b"\x00", Ok((&[2, 3, 4], false, b"\x04PA_a"))),
            (b"\x04PA_chello", Ok((&[4], false, b"\x04PA_ahello"))),
            (b"\x04PA_bhello", Ok((&[2, 3], false, b"\x04PA_ahello"))),
            (b"\x06serverhello", Ok((&[], true, b"\x04PA_ahello"))),
            (b"\x04PA_dhello", Err(Discard::MessageUnrouted)),
            (b"\x04PA_ahello", Err(Discard::MessageUnrouted)), // oneself: never back where it came from
            (b"\x01\xffhello", Err(Discard::MessageUnrouted)),
            (b"\x06PA_c", Err(Discard::Truncated)),
            (b"", Err(Discard::Truncated)),
        ];
        for (payload, expected) in table {
            let delivery = group.deliver(FROM, payload);
            let expected = expected.map(|(to, to_server, payload)| Delivery {
                to: to.iter().copied().map(ChannelId).collect(),
                to_server,
                payload: payload.to_vec(),
            });
            assert_eq!(delivery, expected, "{payload:?}");
        }
    }

    #[test]
    fn without_an_envelope_it_is_passed_on_as_it_is() {
        let group = group(false);
        let delivery = group.deliver(FROM, b"\x04PA_c").unwrap();
        assert_eq!(delivery.to, [ChannelId(2), ChannelId(3), ChannelId(4)]);
        assert_eq!((delivery.to_server, delivery.payload.as_slice()), (false, b"\x04PA_c".as_slice()));
        assert_eq!(reached(&group, 2, b"x"), [1, 4], "no channel of the same name");
    }

    #[test]
    fn a_message_to_everybody_in_an_empty_room_is_no_fault() {
        let mut alone = Group::new(true);
        alone.join(FROM, Member { name: "PA_a".into(), may_send: true });
        assert_eq!(alone.deliver(FROM, b"\x00x").unwrap().to, []);
    }

    #[test]
    fn a_member_that_may_not_send_hears() {
        for is_enveloped in [true, false] {
            let mut group = group(is_enveloped);
            group.join(ChannelId(4), Member { name: "PA_c".into(), may_send: false });
            assert_eq!(group.deliver(ChannelId(4), b"\x00x"), Err(Discard::MessageUnrouted));
            assert_eq!(reached(&group, 1, b"\x00x"), [2, 3, 4]);
            group.join(ChannelId(4), Member { name: "PA_c".into(), may_send: true });
            assert_eq!(reached(&group, 4, b"\x00x"), [1, 2, 3]);
        }
    }

    #[test]
    fn a_channel_that_left_is_neither_reached_nor_heard() {
        let mut group = group(true);
        group.leave(ChannelId(3));
        group.leave(ChannelId(4));
        assert_eq!(reached(&group, 1, b"\x00x"), [2]);
        assert_eq!(reached(&group, 1, b"\x04PA_bx"), [2]);
        assert_eq!(group.deliver(FROM, b"\x04PA_cx"), Err(Discard::MessageUnrouted));
        assert_eq!(group.deliver(ChannelId(4), b"\x00x"), Err(Discard::MessageUnrouted));
        for channel in [1, 2] {
            group.leave(ChannelId(channel));
        }
        assert_eq!((group.channels().count(), group.by_name.len()), (0, 0), "nothing is left behind");
    }
}
