//! The TCP connections that peers use beside the UDP port: the room that each has for what is sent, and its end.

use super::Plane;
use crate::command::{Kind, Path};
use crate::discard::Discard;
use crate::time::Instant;
use crate::trace;

impl Plane {
    /// True if a transport uses this path, or may use it: a check with the right password came over it. The socket
    /// layer closes a connection that no transport uses.
    pub fn uses(&self, path: &Path) -> bool {
        self.by_path.get(path).is_some()
    }

    /// Handles the octets that a TCP connection may accept before too many of them are unsent.
    pub fn handle_link_room(&mut self, path: &Path, octets: usize) {
        let Some(key) = self.by_path.get(path) else { return };
        if self.transports.receiving(key).link.handle_room(path.link, octets) {
            self.transports.sending(key);
        }
    }

    /// Handles the end of a TCP connection. If media was sent over it, none is sent until the peer nominates another
    /// path.
    pub fn handle_link_closed(&mut self, path: &Path) {
        let Some(key) = self.by_path.get(path) else { return };
        self.by_path.retain(key, |known| known != path);
        let transport = &mut self.transports[key];
        let was_selected = transport.agent.selected() == Some(*path);
        transport.agent.forget(path);
        if was_selected {
            tracing::info!(target: trace::ICE, transport = transport.id.0, remote = %path.remote, "connection ended");
            self.hold(key);
        }
    }

    /// Handles a turn of sending over a TCP connection that left so much room. If video has waited too long, it is
    /// dropped. `all`: whatever still waits does so for want of room.
    pub(super) fn sent_over_tcp(&mut self, key: usize, room: usize, all: bool, now: Instant) {
        if !self.transports.contains(key) {
            return;
        }
        let transport = self.transports.sending(key);
        let waiting_since = transport.pacer.poll_timeout().filter(|_| all);
        if !transport.link.sent(room, waiting_since, now) {
            return;
        }
        let dropped = transport.pacer.clear();
        for &slot in &self.transports[key].slots {
            let slot = &mut self.slots[slot].slot;
            if slot.spec.kind == Kind::Video {
                slot.interrupt();
            }
        }
        let transport = self.transports[key].id.0;
        tracing::info!(target: trace::TRANSPORT, transport, dropped, "connection too slow: video is stopped");
        self.discard(key, Discard::LinkFull, dropped);
    }
}
