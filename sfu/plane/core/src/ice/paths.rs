//! The paths of one peer: which a check came over, which are proven, and over which one media leaves (RFC 8445 s8, RFC
//! 7675 s5.1).
//!
//! A check says that its sender knows our password, and nothing of the address it names: who can forge addresses could
//! have media sent to anybody. A path is *proven* by our own Binding request answered from there, or by SRTP, SRTCP or
//! DTLS from there. Media moves to a nominated path once it is proven. Until then all that goes there is what checks
//! and handshakes of the peer have paid for.
//!
//! A path that is another peer's is *claimed*: the claim is asked for a proof, and becomes a path of this peer with it.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unwrap_used)]

use crate::command::Path;
use crate::limits::{AMPLIFICATION, BETWEEN_PATH_TRIALS, PATH_REQUESTS, VALID_PATHS};
use crate::time::{Duration, Instant, ms};

/// A path that was proven before is proven for so long: the longest silence of a peer that is there.
const PROOF: Duration = ms(15_000);
/// Every other path of the peer has been silent for so long: the nominated one is tried, though nothing has proven it.
const OLD_PATH_SILENCE: Duration = ms(1_000);
/// A path that was nominated beside a better one and is proven: how long the better one has to say something itself.
const RIVALRY: Duration = ms(100);
/// The same for one that was not nominated: behind a NAT that forgot its binding, aiortc checks from another address and
/// nominates nothing.
const UNNAMED_RIVALRY: Duration = ms(200);
/// The first wait for an answer to a request of ours, which doubles (RFC 8489 s6.2.1).
const FIRST_WAIT: Duration = ms(250);

/// A path from which a check with the right password came.
struct Valid {
    path: Path,
    checked: Instant,
    proven: Option<Instant>,
    /// Octets that may still leave before it is proven.
    credit: usize,
    /// Of the credentials that the last check came with.
    generation: u32,
    request: Option<Request>,
    /// Media went there, and nothing was proven by it.
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

/// A Binding request of ours that waits for its answer.
#[derive(Clone, Copy)]
struct Request {
    transaction: u128,
    sent: u8,
    last: Instant,
    next: Instant,
}

/// A nominated path that media does not take yet.
#[derive(Clone, Copy)]
struct Wanted {
    path: Path,
    since: Instant,
}

/// A path that the peer may mean by now: nominated beside a better one, or checked and not nominated.
#[derive(Clone, Copy)]
struct Rival {
    path: Path,
    since: Instant,
    nominated: bool,
    /// First, since then.
    proven: Option<Instant>,
}

/// A request of ours that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    pub path: Path,
    pub transaction: u128,
    pub generation: u32,
}

/// Media takes another path from now on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Move {
    Proven,
    /// Nothing is proven of it, but of the old path nothing was heard for a while.
    Tried,
}

#[derive(Default)]
pub struct Paths {
    valid: Vec<Valid>,
    selected: Option<Path>,
    wanted: Option<Wanted>,
    /// What was selected before the path that is being tried.
    former: Option<Path>,
    tried: Option<Instant>,
    /// Nominated beside a better path. Firefox nominates all pairs it checks and means the best; a client that moved means
    /// the new one, and is heard nowhere else.
    rival: Option<Rival>,
    /// A path that another peer has proven to be its own, and from which this one's password came.
    claim: Option<Valid>,
    /// DTLS is up.
    is_connected: bool,
}

impl Paths {
    /// Where media goes.
    pub fn selected(&self) -> Option<Path> {
        self.selected
    }

    pub fn is_valid(&self, path: &Path) -> bool {
        self.valid.iter().any(|valid| valid.path == *path)
    }

    /// Whether something has ever come from there that only the peer at that address can have sent.
    pub fn was_proven(&self, path: &Path) -> bool {
        self.get(path).is_some_and(|valid| valid.proven.is_some())
    }

    /// The same, within `patience`; a check since then counts as well.
    pub fn holds(&self, path: &Path, patience: Duration, now: Instant) -> bool {
        self.get(path)
            .is_some_and(|valid| valid.proven.is_some() && now.saturating_duration_since(valid.heard()) < patience)
    }

    /// A check came. Where there are too many paths, the one that was checked longest ago goes.
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

    /// A check came over a path that is another peer's: a claim, which replaces an earlier one. Asks for a proof.
    pub fn claim(&mut self, path: Path, generation: u32, now: Instant, transaction: impl FnOnce() -> u128) {
        match self.claim.as_mut().filter(|claim| claim.path == path) {
            Some(claim) => (claim.checked, claim.generation) = (now, generation),
            None => self.claim = Some(Valid::new(path, generation, now)),
        }
        self.ask(&path, now, transaction);
    }

    /// When the last check came that claims this path.
    pub fn claimed_at(&self, path: &Path) -> Option<Instant> {
        self.claim.as_ref().filter(|claim| claim.path == *path).map(|claim| claim.checked)
    }

    /// Its owner is there.
    pub fn give_up_claim(&mut self) {
        self.claim = None;
    }

    /// The claim is proven: the path is this peer's.
    pub fn win(&mut self, path: &Path, now: Instant) {
        if let Some(Valid { generation, .. }) = self.claim.take_if(|claim| claim.path == *path) {
            self.checked(*path, generation, now);
        }
    }

    /// Whether a check or a proof of the peer came from there after that time.
    pub fn heard_after(&self, path: &Path, earlier: Instant) -> bool {
        self.get(path).is_some_and(|valid| valid.heard() > earlier)
    }

    /// A datagram came from there.
    pub fn pay(&mut self, path: &Path, octets: usize) {
        if let Some(valid) = self.known_mut(path).filter(|valid| valid.proven.is_none()) {
            valid.credit = valid.credit.saturating_add(octets.saturating_mul(AMPLIFICATION));
        }
    }

    /// Whether so much may leave to an address, and then counts it. Of an address of which no check came nothing is known.
    pub fn spend(&mut self, path: &Path, octets: usize) -> bool {
        let Some(valid) = self.known_mut(path) else { return false };
        if valid.proven.is_some() {
            return true;
        }
        let left = valid.credit.checked_sub(octets);
        valid.credit = left.unwrap_or(valid.credit);
        left.is_some()
    }

    /// SRTP, SRTCP or DTLS of the peer came from there, or the answer to our request.
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

    /// DTLS came to its end over this path, which may be another than the one that was nominated: media leaves over the
    /// one that is proven.
    pub fn connected(&mut self, path: &Path, now: Instant) {
        self.is_connected = true;
        let Some(selected) = self.selected.filter(|selected| selected != path) else { return };
        if !self.is_proven(&selected, now) && self.is_proven(path, now) {
            self.selected = Some(*path);
            self.wanted = Some(Wanted { path: selected, since: now });
        }
    }

    /// The peer nominates this path, again or for the first time. Before there is another, media can only go there.
    pub fn want(&mut self, path: Path, now: Instant) {
        let selected = *self.selected.get_or_insert(path);
        if selected == path {
            self.wanted = None;
        } else if self.wanted.is_none_or(|wanted| wanted.path != path) {
            self.wanted = Some(Wanted { path, since: now });
        }
    }

    /// The peer nominates this path beside a better one, or checks it without a word. True if both are to be asked which one
    /// it means.
    pub fn doubt(&mut self, path: Path, nominated: bool, now: Instant) -> bool {
        if !self.is_connected || self.selected.is_none_or(|selected| selected == path) || self.is_in_doubt(&path) {
            return false;
        }
        match &mut self.rival {
            Some(rival) if rival.path == path => rival.nominated |= nominated,
            // One that was nominated is not forgotten for one that was not.
            Some(rival) if rival.nominated && !nominated => return false,
            rival => *rival = Some(Rival { path, since: now, nominated, proven: None }),
        }
        true
    }

    /// The path that the peer means, because it is not heard over the better one any more.
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

    /// When it is decided: soon after it is proven; without a proof, once the other has been silent for long.
    fn rival_at(&self) -> Option<Instant> {
        let rival = self.rival?;
        match rival.proven {
            Some(proven) => proven.checked_add(if rival.nominated { RIVALRY } else { UNNAMED_RIVALRY }),
            // Without a nomination nothing but a proof tells that the peer is there.
            None if !rival.nominated => None,
            None => rival.since.checked_add(OLD_PATH_SILENCE),
        }
    }

    /// Selects the nominated path once it is proven, or may be tried; and the former one again if it is heard while
    /// another is tried in vain.
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

    /// Asks whether anybody is there: at once, and again until it is answered; also at once if the last time is long ago.
    pub fn ask(&mut self, path: &Path, now: Instant, transaction: impl FnOnce() -> u128) {
        let Some(valid) = self.known_mut(path) else { return };
        match &mut valid.request {
            Some(request) if now.saturating_duration_since(request.last) < FIRST_WAIT => {}
            Some(request) => (request.sent, request.next) = (0, now),
            request => *request = Some(Request { transaction: transaction(), sent: 0, last: now, next: now }),
        }
    }

    /// Whether media would take this path if it were proven: the nominated one, and the one before that which is tried.
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

    /// The credentials that a request of ours was made with, if it went there and is not answered yet.
    pub fn asked(&self, path: &Path, transaction: u128) -> Option<u32> {
        let valid = self.known().find(|valid| valid.path == *path)?;
        valid.request.filter(|request| request.transaction == transaction && request.sent > 0)?;
        Some(valid.generation)
    }

    /// Another transport has proven that the path is its own.
    pub fn forget(&mut self, path: &Path) {
        self.valid.retain(|valid| valid.path != *path);
        self.selected = self.selected.filter(|selected| selected != path);
        self.former = self.former.filter(|former| former != path);
        self.wanted = self.wanted.filter(|wanted| wanted.path != *path);
        self.rival = self.rival.filter(|rival| rival.path != *path);
    }

    /// When the nominated path may be tried, or a request is due again.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let requests = self.known().filter_map(|valid| valid.request.filter(|request| request.sent < PATH_REQUESTS));
        let trial = self.wanted.and_then(|_| self.trial_at());
        requests.map(|request| request.next).chain(trial).chain(self.rival_at()).min()
    }

    fn trial_at(&self) -> Option<Instant> {
        let wanted = self.wanted.filter(|wanted| self.get(&wanted.path).is_some_and(|valid| !valid.tried))?;
        // The peer may be heard on a third path, which neither was nor is to be selected.
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

    /// The peer's paths, and the one it claims.
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
