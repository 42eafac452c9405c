//! Losses in bursts (Gilbert-Elliott): a good state that loses nothing and a bad one that loses everything.

use super::super::random::Random;

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Burst {
    /// The mean share of lost datagrams: 0 to 1.
    pub mean_loss: f64,
    /// The mean length of a burst, in datagrams: 1 or more.
    pub mean_length: f64,
}

impl Burst {
    /// The probabilities of the changes to the bad state and back, per datagram. In the long run the share of the bad
    /// state is `to_bad / (to_bad + to_good)`; its length is geometric, with mean `1 / to_good`.
    pub fn changes(&self) -> (f64, f64) {
        let to_good = 1.0 / self.mean_length;
        (self.mean_loss * to_good / (1.0 - self.mean_loss), to_good)
    }
}

/// The state of the model.
#[derive(Clone, Copy, Default, Debug)]
pub struct Bursts {
    is_bad: bool,
}

impl Bursts {
    /// Whether the next datagram is lost.
    pub fn next(&mut self, burst: Burst, random: &mut Random) -> bool {
        let (to_bad, to_good) = burst.changes();
        let changes = random.chance() < if self.is_bad { to_good } else { to_bad };
        self.is_bad ^= changes;
        self.is_bad
    }
}
