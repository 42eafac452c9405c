//! Sender reports of slots that show nothing. A subscriber that sends no RTCP before it receives something (GStreamer)
//! answers them, and so is known to be present when there is something to show.

use super::Plane;
use crate::limits::COMPOUND;
use crate::rtcp::report;
use crate::time::Instant;

/// Octets of a sender report and a chunk of SDES without its name (RFC 3550 s6.4.1, s6.5).
const REPORT: usize = 28 + 16;

impl Plane {
    /// Queues one datagram every few seconds, unless a slot shows something and is reported anyway. Many slots take
    /// turns.
    pub(super) fn report_idle_slots(&mut self, key: usize, now: Instant) {
        let Some(transport) = self.transports.get_mut(key) else { return };
        if transport.slots.is_empty() || transport.slots.iter().any(|&slot| self.slots[slot].slot.current().is_some()) {
            return;
        }
        let Some(first) = transport.poll_idle_report(now) else { return };
        let ntp = self.config.wall_clock.ntp(now);
        let fit = (COMPOUND / (REPORT + transport.cname.len())).clamp(1, transport.slots.len());
        let mut out = Vec::new();
        for &slot in transport.slots.iter().cycle().skip(first).take(fit) {
            let report = self.slots[slot].slot.idle_report(now, ntp);
            report::write_sender_report(&mut out, &report, &[]);
            report::write_sdes_cname(&mut out, report.ssrc, &transport.cname);
        }
        transport.idle_reported(fit);
        transport.rtcp.push_back(out);
    }
}
