//! The paths of one peer: those that a check came over, those that are proven, and the one that media is sent over (RFC
//! 8445 s8, RFC 7675 s5.1).
//!
//! A check proves that its sender knows our password, but not that the sender owns its source address: an attacker who
//! can forge addresses could direct media at anybody. A path is *proven* when the peer answers our own Binding request
//! from it, or sends SRTP, SRTCP or DTLS from it. Media moves to a nominated path once it is proven. Until then we send
//! only as much to a path as the peer's checks and handshakes have paid for.
//!
//! A check over a path that belongs to another peer is a *claim*. We ask the claimed path for a proof; once it is
//! proven, it becomes a path of this peer.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::command::Path;
use crate::limits::{AMPLIFICATION, BETWEEN_PATH_TRIALS, PATH_REQUESTS, VALID_PATHS};
use crate::time::{Duration, Instant, ms};

/// How long a proof of a path lasts: the longest silence of a peer that is present.
const PROOF: Duration = ms(15_000);
/// If every other path of the peer has been silent this long, the nominated path is tried without a proof.
const OLD_PATH_SILENCE: Duration = ms(1_000);
/// After a path that was nominated beside a better one is proven: how long the better path has to be heard itself.
const RIVALRY: Duration = ms(100);
/// The same for a path that was not nominated: behind a NAT that lost its binding, aiortc checks from another address
/// and nominates nothing.
const UNNAMED_RIVALRY: Duration = ms(200);
/// The first wait for an answer to our request. It doubles with each request (RFC 8489 s6.2.1).
const FIRST_WAIT: Duration = ms(250);

/// A path over which a check with the right password came.
struct Valid {
    path: Path,
    checked: Instant,
    proven: Option<Instant>,
    /// Octets that may still be sent before the path is proven.
    credit: usize,
    /// The generation of the credentials of the last check.
    generation: u32,
    request: Option<Request>,
    /// Media was sent over this path on trial, and no proof has followed.
    tried: bool,
}

impl Valid {
    fn new(path: Path, generation: u32, now: Instant) -> Self {
        Self { path, checked: now, proven: None, credit: 0, generation, request: None, tried: false }
    }

    fn heard(&self) -> Instant {
        self.proven.map_or(self.checked, |proven| proven.max(self.checked))
    }
}

/// One of our Binding requests that has not been answered yet.
#[derive(Clone, Copy)]
struct Request {
    transaction: u128,
    sent: u8,
    last: Instant,
    next: Instant,
}

/// A nominated path that media does not use yet.
#[derive(Clone, Copy)]
struct Wanted {
    path: Path,
    since: Instant,
}

/// A path that the peer may use instead of the selected one: nominated beside a better path, or checked but not
/// nominated.
#[derive(Clone, Copy)]
struct Rival {
    path: Path,
    since: Instant,
    nominated: bool,
    /// When the path was first proven after `since`.
    proven: Option<Instant>,
}

/// A Binding request that is due to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    pub path: Path,
    pub transaction: u128,
    pub generation: u32,
}

/// Why media moved to another path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    Proven,
    /// The new path is not proven, but the old path has been silent for a while.
    Tried,
}

#[derive(Default)]
pub struct Paths {
    valid: Vec<Valid>,
    selected: Option<Path>,
    wanted: Option<Wanted>,
    /// The path that was selected before the one that is on trial.
    former: Option<Path>,
    tried: Option<Instant>,
    /// A path nominated beside a better one. Firefox nominates all pairs it checks and uses the best; a client that has
    /// moved uses the new path, and sends nothing over the others.
    rival: Option<Rival>,
    /// A path that another peer has proven, and over which a check with this peer's password came.
    claim: Option<Valid>,
    /// The DTLS handshake has finished.
    is_connected: bool,
}

impl Paths {
    /// The path that media is sent over.
    pub fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// The number of the peer's paths, with its claim.
    pub fn count(&self) -> usize {
        self.known().count()
    }

    pub fn is_valid(&self, path: &Path) -> bool {
        self.valid.iter().any(|valid| valid.path == *path)
    }

    /// True if the path was ever proven.
    pub fn was_proven(&self, path: &Path) -> bool {
        self.get(path).is_some_and(|valid| valid.proven.is_some())
    }

    /// True if the path was ever proven, and a proof or a check came over it within `patience`.
    pub fn holds(&self, path: &Path, patience: Duration, now: Instant) -> bool {
        self.get(path)
            .is_some_and(|valid| valid.proven.is_some() && now.saturating_duration_since(valid.heard()) < patience)
    }

    /// Handles a check. If there are too many paths, the one checked longest ago is removed; the selected and the
    /// former path are kept.
    pub fn checked(&mut self, path: Path, generation: u32, now: Instant) {
        if let Some(valid) = self.get_mut(&path) {
            (valid.checked, valid.generation) = (now, generation);
            return;
        }
        if self.valid.len() >= VALID_PATHS {
            let in_use = [self.selected, self.former];
            let mut idle = self.valid.iter().enumerate().filter(|(_, valid)| !in_use.contains(&Some(valid.path)));
            if let Some(oldest) = idle.by_ref().min_by_key(|(_, valid)| valid.checked).map(|(index, _)| index) {
                self.valid.swap_remove(oldest);
            }
        }
        self.claim = self.claim.take().filter(|claim| claim.path != path);
        self.valid.push(Valid::new(path, generation, now));
    }

    /// Handles a check over a path of another peer. The path becomes the claim, which replaces an earlier claim, and is
    /// asked for a proof.
    pub fn claim(&mut self, path: Path, generation: u32, now: Instant, transaction: impl FnOnce() -> u128) {
        match self.claim.as_mut().filter(|claim| claim.path == path) {
            Some(claim) => (claim.checked, claim.generation) = (now, generation),
            None => self.claim = Some(Valid::new(path, generation, now)),
        }
        self.ask(&path, now, transaction);
    }

    /// When the last check came over the claimed path, if `path` is the claim.
    pub fn claimed_at(&self, path: &Path) -> Option<Instant> {
        self.claim.as_ref().filter(|claim| claim.path == *path).map(|claim| claim.checked)
    }

    /// Drops the claim, because the owner of the path is present.
    pub fn give_up_claim(&mut self) {
        self.claim = None;
    }

    /// Handles the proof of the claim: the path becomes one of this peer.
    pub fn win(&mut self, path: &Path, now: Instant) {
        if let Some(Valid { generation, .. }) = self.claim.take_if(|claim| claim.path == *path) {
            self.checked(*path, generation, now);
        }
    }

    /// True if a check or a proof came over the path after `earlier`.
    pub fn heard_after(&self, path: &Path, earlier: Instant) -> bool {
        self.get(path).is_some_and(|valid| valid.heard() > earlier)
    }

    /// Handles a datagram from an unproven path: it allows us to send [`AMPLIFICATION`] times as many octets there.
    pub fn pay(&mut self, path: &Path, octets: usize) {
        if let Some(valid) = self.known_mut(path).filter(|valid| valid.proven.is_none()) {
            valid.credit = valid.credit.saturating_add(octets.saturating_mul(AMPLIFICATION));
        }
    }

    /// True if `octets` may be sent over the path; they are deducted from its credit. Nothing may be sent over a path
    /// without a check.
    pub fn spend(&mut self, path: &Path, octets: usize) -> bool {
        let Some(valid) = self.known_mut(path) else { return false };
        if valid.proven.is_some() {
            return true;
        }
        let left = valid.credit.checked_sub(octets);
        valid.credit = left.unwrap_or(valid.credit);
        left.is_some()
    }

    /// Marks the path as proven: SRTP, SRTCP or DTLS of the peer came from it, or the answer to our request.
    pub fn prove(&mut self, path: &Path, now: Instant) {
        if let Some(valid) = self.get_mut(path) {
            valid.proven = Some(now);
            valid.request = None;
            valid.tried = false;
        }
        if let Some(rival) = self.rival.as_mut().filter(|rival| rival.path == *path) {
            rival.proven.get_or_insert(now);
        }
    }

    /// Handles the end of the DTLS handshake over this path. If the nominated path is not proven but this one is, media
    /// is sent over this one.
    pub fn connected(&mut self, path: &Path, now: Instant) {
        self.is_connected = true;
        let Some(selected) = self.selected.filter(|selected| selected != path) else { return };
        if !self.is_proven(&selected, now) && self.is_proven(path, now) {
            self.selected = Some(*path);
            self.wanted = Some(Wanted { path: selected, since: now });
        }
    }

    /// Handles a nomination of this path, new or repeated. The first nominated path is selected at once, because media
    /// has no other.
    pub fn want(&mut self, path: Path, now: Instant) {
        let selected = *self.selected.get_or_insert(path);
        if selected == path {
            self.wanted = None;
        } else if self.wanted.is_none_or(|wanted| wanted.path != path) {
            self.wanted = Some(Wanted { path, since: now });
        }
    }

    /// Handles a nomination of this path beside a better one, or a check without a nomination. Returns true if both
    /// paths are to be asked for a proof, to find out which one the peer uses.
    pub fn doubt(&mut self, path: Path, nominated: bool, now: Instant) -> bool {
        if !self.is_connected || self.selected.is_none_or(|selected| selected == path) || self.is_in_doubt(&path) {
            return false;
        }
        match &mut self.rival {
            Some(rival) if rival.path == path => rival.nominated |= nominated,
            // A check without a nomination does not replace a nominated rival.
            Some(rival) if rival.nominated && !nominated => return false,
            rival => *rival = Some(Rival { path, since: now, nominated, proven: None }),
        }
        true
    }

    /// Returns the rival if the peer uses it, because it is no longer heard over the better path.
    pub fn poll_rival(&mut self, now: Instant) -> Option<Path> {
        let rival = self.rival.filter(|_| self.rival_at().is_some_and(|at| at <= now))?;
        self.rival = None;
        let selected = self.selected.and_then(|selected| self.get(&selected));
        let is_alive = selected.is_some_and(|valid| valid.heard() > rival.since);
        if is_alive || !self.is_valid(&rival.path) {
            return None;
        }
        self.wanted = Some(Wanted { path: rival.path, since: rival.since });
        Some(rival.path)
    }

    /// When the rival is decided on: soon after it is proven; without a proof, once the better path has been silent for
    /// long.
    fn rival_at(&self) -> Option<Instant> {
        let rival = self.rival?;
        match rival.proven {
            Some(proven) => proven.checked_add(if rival.nominated { RIVALRY } else { UNNAMED_RIVALRY }),
            // Without a nomination, only a proof shows that the peer is there.
            None if !rival.nominated => None,
            None => rival.since.checked_add(OLD_PATH_SILENCE),
        }
    }

    /// Selects the nominated path once it is proven or may be tried. Selects the former path again if the peer is heard
    /// over it while another is on trial without success.
    pub fn settle(&mut self, now: Instant) -> Option<Move> {
        if let (Some(former), Some(selected)) = (self.former, self.selected) {
            if self.is_proven(&selected, now) {
                self.former = None;
            } else if self.get(&former).is_some_and(|valid| self.tried.is_some_and(|tried| valid.heard() > tried))
                && self.is_proven(&former, now)
            {
                self.former = None;
                self.selected = Some(former);
                self.wanted = Some(Wanted { path: selected, since: now });
                return Some(Move::Proven);
            }
        }
        let wanted = self.wanted?;
        let is_proven = self.is_proven(&wanted.path, now);
        if !is_proven && self.trial_at()? > now {
            return None;
        }
        if let Some(valid) = self.get_mut(&wanted.path) {
            valid.tried |= !is_proven;
        }
        let old = self.selected.replace(wanted.path);
        self.wanted = None;
        if is_proven {
            self.former = None;
            return Some(Move::Proven);
        }
        self.former = old;
        self.tried = Some(now);
        Some(Move::Tried)
    }

    /// Asks the path for a proof: at once, and again until it is answered. If the last request is long ago, the
    /// requests start again.
    pub fn ask(&mut self, path: &Path, now: Instant, transaction: impl FnOnce() -> u128) {
        let Some(valid) = self.known_mut(path) else { return };
        match &mut valid.request {
            Some(request) if now.saturating_duration_since(request.last) < FIRST_WAIT => {}
            Some(request) => (request.sent, request.next) = (0, now),
            request => *request = Some(Request { transaction: transaction(), sent: 0, last: now, next: now }),
        }
    }

    /// True if media would use this path once it is proven: the nominated path, and the path selected before a trial.
    pub fn is_in_doubt(&self, path: &Path) -> bool {
        self.wanted.is_some_and(|wanted| wanted.path == *path) || self.former == Some(*path)
    }

    pub fn poll_request(&mut self, now: Instant) -> Option<Due> {
        let due = |request: &Request| request.sent < PATH_REQUESTS && request.next <= now;
        let mut known = self.valid.iter_mut().chain(&mut self.claim);
        let valid = known.find(|valid| valid.request.as_ref().is_some_and(due))?;
        let request = valid.request.as_mut()?;
        request.next = now.checked_add(FIRST_WAIT.saturating_mul(1 << request.sent))?;
        request.sent = request.sent.saturating_add(1);
        request.last = now;
        Some(Due { path: valid.path, transaction: request.transaction, generation: valid.generation })
    }

    /// The generation of the credentials of our request, if it was sent over this path and is not answered yet.
    pub fn asked(&self, path: &Path, transaction: u128) -> Option<u32> {
        let valid = self.known().find(|valid| valid.path == *path)?;
        valid.request.filter(|request| request.transaction == transaction && request.sent > 0)?;
        Some(valid.generation)
    }

    /// Removes a path that another transport has proven to be its own.
    pub fn forget(&mut self, path: &Path) {
        self.valid.retain(|valid| valid.path != *path);
        self.selected = self.selected.filter(|selected| selected != path);
        self.former = self.former.filter(|former| former != path);
        self.wanted = self.wanted.filter(|wanted| wanted.path != *path);
        self.rival = self.rival.filter(|rival| rival.path != *path);
    }

    /// When the nominated path may be tried, a request is due again, or the rival is decided on.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let requests = self.known().filter_map(|valid| valid.request.filter(|request| request.sent < PATH_REQUESTS));
        let trial = self.wanted.and_then(|_| self.trial_at());
        requests.map(|request| request.next).chain(trial).chain(self.rival_at()).min()
    }

    fn trial_at(&self) -> Option<Instant> {
        let wanted = self.wanted.filter(|wanted| self.get(&wanted.path).is_some_and(|valid| !valid.tried))?;
        // A third path counts too, if it was ever proven: the peer may be heard there although the path neither was nor
        // will be selected.
        let counts =
            |valid: &&Valid| valid.path != wanted.path && (valid.proven.is_some() || self.selected == Some(valid.path));
        let heard = self.valid.iter().filter(counts).map(Valid::heard).max();
        let silent = heard.map_or(wanted.since, |heard| heard.max(wanted.since)).checked_add(OLD_PATH_SILENCE)?;
        let again = self.tried.and_then(|tried| tried.checked_add(BETWEEN_PATH_TRIALS));
        Some(again.map_or(silent, |again| again.max(silent)))
    }

    pub fn is_proven(&self, path: &Path, now: Instant) -> bool {
        self.get(path)
            .and_then(|valid| valid.proven)
            .is_some_and(|proven| now.saturating_duration_since(proven) < PROOF)
    }

    /// The peer's paths, and its claim.
    fn known(&self) -> impl Iterator<Item = &Valid> {
        self.valid.iter().chain(&self.claim)
    }

    fn known_mut(&mut self, path: &Path) -> Option<&mut Valid> {
        self.valid.iter_mut().chain(&mut self.claim).find(|valid| valid.path == *path)
    }

    fn get(&self, path: &Path) -> Option<&Valid> {
        self.valid.iter().find(|valid| valid.path == *path)
    }

    fn get_mut(&mut self, path: &Path) -> Option<&mut Valid> {
        self.valid.iter_mut().find(|valid| valid.path == *path)
    }
}
