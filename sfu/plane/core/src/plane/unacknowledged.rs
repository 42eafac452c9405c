//! Stops and resumes what is sent to a peer whose transport-wide feedback stops and returns.

use super::Plane;
use crate::command::Kind;
use crate::time::Instant;
use crate::trace;

impl Plane {
    /// Stops video, redundancy and probes to a peer that has acknowledged nothing for too long.
    pub(super) fn handle_unacknowledged(&mut self, key: usize, now: Instant) {
        let Some(transport) = self.transports.get_mut(key) else { return };
        if !transport.unacknowledged.handle_timeout(now) {
            return;
        }
        tracing::info!(target: trace::TRANSPORT, transport = transport.id.0, "feedback stopped: video is stopped");
        transport.estimator.pause();
        transport.prober.clear();
        let stops_video = !transport.sends(Kind::Video);
        self.steps += transport.slots.len() as u64;
        for &slot in &self.transports[key].slots {
            let slot = &mut self.slots[slot].slot;
            if slot.spec.kind == Kind::Video && stops_video {
                slot.interrupt();
            }
        }
        self.report_silence(key, now);
    }

    /// Handles the acknowledgement of a packet: video begins again after a silence, or after a short outage.
    pub(super) fn handle_acknowledged(&mut self, key: usize, now: Instant) {
        let transport = &mut self.transports[key];
        let was_out = transport.unanswered.answered(now);
        if transport.unacknowledged.acknowledged() {
            tracing::info!(target: trace::TRANSPORT, transport = transport.id.0, "feedback is back");
            self.transports[key].estimator.resume(now);
            self.begin_slots(key, now);
            self.report_silence(key, now);
        } else if was_out {
            self.resume_pictures(key, now);
        }
    }
}
