//! From the queues of one transport into the batch: written, numbered and encrypted as it leaves.

use super::{Plane, Published};
use crate::batch::{Batch, MAX_DATAGRAM};
use crate::command::Path;
use crate::send::packet;
use crate::send::slot::{Outgoing, Slot};
use crate::srtp::context::OVERHEAD;
use crate::time::{Instant, Ntp};
use crate::transport::{Queued, Transport};

/// Packets of a frame whose sizes differ by less are padded to the same size (RFC 3550 s5.1), so that they leave as
/// one segmented send. libwebrtc splits a frame so that its last packets are one octet larger.
const MAX_PADDING: usize = 16;

impl Plane {
    /// Everything the transport may send now, or as much as the batch holds: then it stays dirty.
    pub(super) fn transmit(&mut self, key: usize, batch: &mut Batch, now: Instant) -> bool {
        let Some(transport) = self.transports.get_mut(key) else { return true };
        while let Some((path, datagram)) = transport.control.front() {
            if !batch.has_room(datagram.len().max(MAX_DATAGRAM)) {
                return false;
            }
            batch.copy(*path, datagram);
            transport.control.pop_front();
        }
        let Some(path) = transport.agent.selected() else { return true };
        if !transport.sends_media() {
            return true;
        }
        while let Some(mut compound) = transport.rtcp.pop_front() {
            if !batch.has_room(MAX_DATAGRAM) {
                transport.rtcp.push_front(compound);
                return false;
            }
            if let Some(srtp) = &mut transport.srtp {
                srtp.outbound.protect_rtcp(&mut compound);
                batch.copy(path, &compound);
            }
        }
        let mut leaving = std::mem::take(&mut self.leaving);
        let done = loop {
            leaving.clear();
            while leaving.len() < 64 && batch.has_room((leaving.len() + 1) * MAX_DATAGRAM) {
                let Some(item) = transport.pacer.pop(now) else { break };
                leaving.push(item);
            }
            if leaving.is_empty() {
                break transport.pacer.queued() == 0 || batch.has_room(MAX_DATAGRAM);
            }
            let mut writer = Writer {
                transport,
                slots: &self.slots,
                tracks: &self.tracks,
                track_keys: &self.track_keys,
                ntp: self.config.wall_clock.ntp(now),
                path,
            };
            let sent = writer.write_all(&mut leaving, batch);
            self.stats.packets_forwarded += sent.forwarded;
            self.stats.packets_retransmitted += sent.retransmitted;
            transport.consent.sent(sent.numbered, now);
        };
        self.leaving = leaving;
        done
    }
}
