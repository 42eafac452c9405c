//! Collects outgoing RTCP packets into compounds of at most [`COMPOUND`] octets each, without splitting a packet.

use std::ops::Range;

use crate::limits::COMPOUND;

/// Unencrypted RTCP compounds, stored one after another.
#[derive(Debug, Default)]
pub struct Compounds {
    octets: Vec<u8>,
    /// The end of each compound in `octets`, except the last one's.
    ends: Vec<usize>,
}

impl Compounds {
    /// Adds the packets that `write` appends. They share a compound if they fit in one. A packet longer than
    /// [`COMPOUND`] is dropped; the writers of this module never produce one.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.octets.len();
        write(&mut self.octets);
        if self.open() <= COMPOUND {
            return;
        }
        if self.octets.len() - start <= COMPOUND {
            self.ends.push(start);
            return;
        }
        let packets = self.octets.split_off(start);
        let mut rest = &packets[..];
        while let Some((packet, behind)) = first(rest) {
            if self.open() + packet.len() > COMPOUND {
                self.ends.push(self.octets.len());
            }
            if packet.len() <= COMPOUND {
                self.octets.extend_from_slice(packet);
            }
            rest = behind;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The compounds in order. None is empty.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.ends.iter().copied().chain([self.octets.len()]);
        let ranges = ends.scan(0, |start, end| Some(std::mem::replace(start, end)..end));
        ranges.filter(|range: &Range<usize>| !range.is_empty()).filter_map(|range| self.octets.get(range))
    }

    /// The length in octets of the last compound, to which packets are still added.
    fn open(&self) -> usize {
        self.octets.len() - self.ends.last().copied().unwrap_or(0)
    }
}

/// Splits off the first packet, by its length field. Returns it and the rest.
fn first(packets: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[_, _, high, low] = packets.first_chunk()?;
    packets.split_at_checked((usize::from(u16::from_be_bytes([high, low])) + 1) * 4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::REQUESTED_AT_ONCE;
    use crate::rtcp::report::{ReportBlock, SenderReport};
    use crate::rtcp::{feedback, report, twcc};

    fn lengths(compounds: &Compounds) -> Vec<usize> {
        compounds.iter().map(<[u8]>::len).collect()
    }

    fn packets(compound: &[u8]) -> Vec<&[u8]> {
        let mut rest = compound;
        std::iter::from_fn(|| {
            let (packet, behind) = first(rest)?;
            rest = behind;
            Some(packet)
        })
        .collect()
    }

    #[test]
    fn what_is_added_together_stays_together() {
        let mut compounds = Compounds::default();
        for ssrc in 0..40 {
            compounds.add(|out| {
                report::write_sender_report(out, &SenderReport { ssrc, ..SenderReport::default() }, &[]);
                report::write_sdes_cname(out, ssrc, "somebody");
            });
        }
        assert!(compounds.iter().all(|compound| compound[1] == 200), "each begins with a report");
        assert_eq!(lengths(&compounds), [1_152, 768], "24 and 16 of 48 octets");
        assert!(Compounds::default().iter().next().is_none());
    }

    #[test]
    fn a_compound_is_filled_before_another_is_begun() {
        let longest = COMPOUND / 4 * 4;
        let packet = |out: &mut Vec<u8>, octets: usize| {
            out.extend([0x80, 201]);
            out.extend((octets as u16 / 4 - 1).to_be_bytes());
            out.resize(out.len() + octets - 4, 0);
        };
        let sizes = [400, longest - 400, 400];
        let mut apart = Compounds::default();
        assert!(apart.is_empty());
        sizes.iter().for_each(|&octets| apart.add(|out| packet(out, octets)));
        let mut together = Compounds::default();
        together.add(|out| sizes.iter().for_each(|&octets| packet(out, octets)));
        for compounds in [apart, together] {
            assert!(!compounds.is_empty());
            assert_eq!(lengths(&compounds), [longest, 400]);
        }
    }

    /// The largest input of each writer.
    #[test]
    fn no_writer_makes_a_packet_that_is_longer_than_a_compound() {
        let far_apart: Vec<u16> = (0..REQUESTED_AT_ONCE as u16).map(|n| n * 17).collect();
        let mut arrivals = vec![None; 1_200];
        arrivals.extend((0..300).map(|n| Some(if n % 2 == 0 { 300 } else { -300 })));
        let cname = "c".repeat(400);
        type Write<'a> = &'a dyn Fn(&mut Vec<u8>);
        let table: [(&str, Write<'_>); 6] = [
            ("NACK", &|out| feedback::write_nack(out, 1, 2, &far_apart)),
            ("transport-wide feedback", &|out| twcc::write_feedback(out, 1, 2, 0, 0, 0, &arrivals)),
            ("receiver report", &|out| report::write_receiver_report(out, 1, &[ReportBlock::default(); 300])),
            ("sender report", &|out| {
                report::write_sender_report(out, &SenderReport::default(), &[ReportBlock::default(); 300]);
            }),
            ("CNAME", &|out| report::write_sdes_cname(out, 1, &cname)),
            ("BYE", &|out| report::write_bye(out, &[7; 300])),
        ];
        let mut compounds = Compounds::default();
        for (what, write) in table {
            let mut out = Vec::new();
            write(&mut out);
            let longest = packets(&out).into_iter().map(<[u8]>::len).max().unwrap_or(0);
            assert!((4..=COMPOUND).contains(&longest), "{what}: {longest} octets");
            compounds.add(write);
        }
        assert!(lengths(&compounds).into_iter().all(|length| length <= COMPOUND));
    }

    proptest! {
        #[test]
        fn every_packet_leaves_whole_and_in_order(units in prop::collection::vec((1_usize..4, 1_usize..300), 0..40)) {
            let (mut compounds, mut all) = (Compounds::default(), Vec::new());
            for (number, &(count, words)) in units.iter().enumerate() {
                let mut packet = vec![number as u8; words * 4];
                packet[2..4].copy_from_slice(&(words as u16 - 1).to_be_bytes());
                let unit = packet.repeat(count);
                compounds.add(|out| out.extend(&unit));
                all.extend(vec![packet; count].into_iter().filter(|packet| packet.len() <= COMPOUND));
            }
            let left: Vec<Vec<u8>> = compounds.iter().flat_map(packets).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(left, all);
            prop_assert!(compounds.iter().all(|compound| (4..=COMPOUND).contains(&compound.len())));
        }
    }
}
