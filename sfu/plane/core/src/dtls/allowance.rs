//! How much of a handshake an address is sent that has proven nothing: a few times what came from it. Who forges an
//! address, and is let in by its checks, cannot make us flood it (RFC 9000 s8.1 has the same rule, and the same number).

use crate::command::Path;
use crate::limits::{UNPROVEN_DTLS, VALID_PATHS};

#[derive(Clone, Copy, Debug)]
struct Account {
    path: Path,
    heard: usize,
    sent: usize,
}

/// The addresses of one peer, until its handshake is over.
#[derive(Debug, Default)]
pub struct Allowance {
    /// The one that was heard first comes first.
    accounts: Vec<Account>,
}

impl Allowance {
    /// So many octets came, with a check or of a handshake.
    pub fn heard(&mut self, path: Path, octets: usize) {
        match self.accounts.iter_mut().find(|account| account.path == path) {
            Some(account) => account.heard += octets,
            None => {
                if self.accounts.len() == VALID_PATHS {
                    self.accounts.remove(0);
                }
                self.accounts.push(Account { path, heard: octets, sent: 0 });
            }
        }
    }

    /// Whether so many octets may be sent there. If so, they count.
    pub fn take(&mut self, path: Path, octets: usize) -> bool {
        let account = self.accounts.iter_mut().find(|account| account.path == path);
        let Some(account) = account.filter(|account| account.sent + octets <= UNPROVEN_DTLS * account.heard) else {
            return false;
        };
        account.sent += octets;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path { local: ([127, 0, 0, 1], 7882).into(), remote: ([127, 0, 0, 1], port).into() }
    }

    #[test]
    fn an_address_is_sent_three_times_what_came_from_it() {
        let mut allowance = Allowance::default();
        assert!(!allowance.take(path(1), 1), "nothing came");
        allowance.heard(path(1), 100);
        allowance.heard(path(2), 50);
        assert!(allowance.take(path(1), 200));
        assert!(!allowance.take(path(1), 101));
        assert!(allowance.take(path(1), 100), "what is refused does not count");
        assert!(allowance.take(path(2), 150));
        allowance.heard(path(1), 10);
        assert!(allowance.take(path(1), 30));
        assert!(!allowance.take(path(1), 1));
    }

    #[test]
    fn only_so_many_addresses_are_remembered() {
        let mut allowance = Allowance::default();
        (0..10_000).for_each(|port| allowance.heard(path(port), 10));
        assert_eq!(allowance.accounts.len(), VALID_PATHS);
        assert!(!allowance.take(path(0), 1));
        assert!(allowance.take(path(9_999), 30));
    }
}
