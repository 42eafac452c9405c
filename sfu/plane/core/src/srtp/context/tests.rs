//! Packets of libsrtp, both ends of a stream, and packets of an attacker.

use proptest::prelude::*;

use super::*;
use crate::srtp::Master;

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const PROFILES: [Profile; 3] = [Profile::Aes128Gcm, Profile::Aes256Gcm, Profile::Aes128CmSha1_80];
const SSRC: u32 = 0xcafe_babe;

/// Master key 00 01 02 ..., salt a0 a1 a2 ...
fn keys(profile: Profile) -> Keys {
    let master = Master {
        key: (0..profile.key_length() as u8).collect(),
        salt: (0xa0..0xa0 + profile.salt_length() as u8).collect(),
    };
    Keys { profile, local: master.clone(), remote: master }
}

fn pair(profile: Profile) -> (Outbound, Inbound) {
    (Outbound::new(&keys(profile)), Inbound::new(&keys(profile)))
}

fn plain(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 0x0f];
    packet.extend(sequence.to_be_bytes());
    packet.extend(0xdeca_fbadu32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xab; 16]);
    packet
}

fn protect(outbound: &mut Outbound, ssrc: u32, index: u64) -> Vec<u8> {
    let mut packet = plain(index as u16, ssrc);
    let length = packet.len();
    packet.resize(length + Outbound::OVERHEAD, 0);
    let length = outbound.protect_rtp(&mut packet, 12, length, ssrc, index);
    packet.truncate(length);
    packet
}

fn unprotect(inbound: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, Discard> {
    let mut packet = packet.to_vec();
    let header = Header::parse(&packet).unwrap();
    let length = inbound.unprotect_rtp(&mut packet, &header)?;
    packet.truncate(length);
    Ok(packet)
}

fn receiver_report(sender: u32) -> Vec<u8> {
    let mut compound = unhex("81c8000b");
    compound.extend(sender.to_be_bytes());
    compound.extend([0xab; 16]);
    compound
}

fn unprotect_rtcp(inbound: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, Discard> {
    let mut packet = packet.to_vec();
    let length = inbound.unprotect_rtcp(&mut packet)?;
    packet.truncate(length);
    Ok(packet)
}

/// Made by libsrtp 2: sequence number 0x1234, then 3 after one wrap, then its first RTCP (index 1).
#[test]
fn packets_are_those_of_libsrtp() {
    let vectors = [
        (
            Profile::Aes128CmSha1_80,
            "800f1234decafbadcafebabee2d8df8f7a75d688c3502eeec2a98066cd7c0d09ca4432a56e3d",
            "800f0003decafbadcafebabe7f2839643d9124bbab2c71bb5d3bf262c2314e5eed0c97d6793f",
            "81c8000bcafebabe5674bf01813dc062ac1df6f75f77c688800000013db7a19837ff64e5cbd2",
        ),
        (
            Profile::Aes128Gcm,
            concat!("800f1234decafbadcafebabe", "c5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392"),
            concat!("800f0003decafbadcafebabe", "9c4f8891c5c683d0b7f9fe949b116898cafe157d2eed7f84ed72a2b6435efccd"),
            concat!("81c8000bcafebabe", "c98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001"),
        ),
        (
            Profile::Aes256Gcm,
            concat!("800f1234decafbadcafebabe", "0af7f21e8a90bdad7a425c9c31ed4bb1d90238917e7390a2793500e1681acaea"),
            concat!("800f0003decafbadcafebabe", "5c640bebb812809af1d4de616dfd51aa6b8e7480b0680610394c48b79b6d9a6b"),
            concat!("81c8000bcafebabe", "8abfafa780070a90e80f9161cf4aac081ed93aaa53c15b0f3ed1a3b984167b0380000001"),
        ),
    ];
    for (profile, first, after_wrap, rtcp) in vectors {
        let (mut outbound, mut inbound) = pair(profile);
        assert_eq!(protect(&mut outbound, SSRC, 0x1234), unhex(first), "{profile:?}");
        assert_eq!(protect(&mut outbound, SSRC, 0x1_0003), unhex(after_wrap), "{profile:?}");
        outbound.protect_rtcp(&mut receiver_report(SSRC));
        let mut compound = receiver_report(SSRC);
        outbound.protect_rtcp(&mut compound);
        assert_eq!(compound, unhex(rtcp), "{profile:?}");
        assert_eq!(unprotect(&mut inbound, &unhex(first)), Ok(plain(0x1234, SSRC)));
        assert_eq!(unprotect_rtcp(&mut inbound, &unhex(rtcp)), Ok(receiver_report(SSRC)));
    }
}

#[test]
fn what_one_end_protects_the_other_reads() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = pair(profile);
        for index in 100..300 {
            let packet = protect(&mut outbound, SSRC, index);
            assert_eq!(packet.len(), 28 + profile.tag_length());
            assert_eq!(unprotect(&mut inbound, &packet), Ok(plain(index as u16, SSRC)), "{profile:?}");
            let mut compound = receiver_report(7);
            outbound.protect_rtcp(&mut compound);
            assert_eq!(unprotect_rtcp(&mut inbound, &compound), Ok(receiver_report(7)), "{profile:?}");
        }
    }
}

#[test]
fn a_changed_octet_anywhere_fails_authentication_and_harms_nothing() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = pair(profile);
        assert!(unprotect(&mut inbound, &protect(&mut outbound, SSRC, 40_000)).is_ok());
        let packet = protect(&mut outbound, SSRC, 40_001);
        for at in 0..packet.len() {
            let mut forged = packet.clone();
            forged[at] ^= 0x04;
            let Ok(header) = Header::parse(&forged) else {
                continue;
            };
            let result = inbound.unprotect_rtp(&mut forged, &header);
            assert!(
                matches!(result, Err(Discard::SrtpAuth | Discard::Truncated | Discard::SrtpTooOld)),
                "{profile:?}, octet {at}: {result:?}"
            );
        }
        assert!(unprotect(&mut inbound, &packet).is_ok(), "{profile:?}");

        let mut compound = receiver_report(7);
        outbound.protect_rtcp(&mut compound);
        for at in 0..compound.len() {
            let mut forged = compound.clone();
            forged[at] ^= 0x80;
            assert_eq!(inbound.unprotect_rtcp(&mut forged), Err(Discard::SrtpAuth), "{profile:?}, octet {at}");
        }
        assert!(unprotect_rtcp(&mut inbound, &compound).is_ok(), "{profile:?}");
    }
}

#[test]
fn a_packet_is_accepted_once() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = pair(profile);
        let packets: Vec<_> = (0..2_000).map(|index| protect(&mut outbound, SSRC, index)).collect();
        assert!(unprotect(&mut inbound, &packets[10]).is_ok());
        assert_eq!(unprotect(&mut inbound, &packets[10]), Err(Discard::SrtpReplay));
        assert!(unprotect(&mut inbound, &packets[9]).is_ok(), "late, and new");
        assert!(unprotect(&mut inbound, &packets[1_500]).is_ok());
        assert_eq!(unprotect(&mut inbound, &packets[1_500 - 1_024]), Err(Discard::SrtpTooOld));
        assert!(unprotect(&mut inbound, &packets[1_500 - 1_023]).is_ok());

        let mut compound = receiver_report(7);
        outbound.protect_rtcp(&mut compound);
        assert!(unprotect_rtcp(&mut inbound, &compound).is_ok());
        assert_eq!(unprotect_rtcp(&mut inbound, &compound), Err(Discard::SrtpReplay));
    }
}

#[test]
fn the_rollover_counter_survives_wraps_with_loss() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = pair(profile);
        // Every 20,000th packet of 400,000: six wraps.
        for index in (5..400_000).step_by(20_000) {
            let packet = protect(&mut outbound, SSRC, index);
            assert!(unprotect(&mut inbound, &packet).is_ok(), "{profile:?}, index {index}");
        }
    }
}

#[test]
fn packets_reordered_around_a_wrap_are_read() {
    let (mut outbound, mut inbound) = pair(Profile::Aes128Gcm);
    let packets: Vec<_> = (65_530..65_545).map(|index| protect(&mut outbound, SSRC, index)).collect();
    for at in [0, 8, 2, 1, 7, 5, 14, 6, 3] {
        assert!(unprotect(&mut inbound, &packets[at]).is_ok(), "packet {at}");
    }
}

#[test]
fn a_stream_that_begins_just_before_a_wrap_is_read_from_whatever_packet_comes_first() {
    for profile in PROFILES {
        for first in [0, 3, 6, 9] {
            let (mut outbound, mut inbound) = pair(profile);
            let packets: Vec<_> = (65_530..65_545).map(|index| protect(&mut outbound, SSRC, index)).collect();
            for (at, packet) in packets.iter().enumerate().skip(first) {
                assert!(unprotect(&mut inbound, packet).is_ok(), "{profile:?}, from {first}, packet {at}");
            }
            if first > 0 {
                assert!(unprotect(&mut inbound, &packets[first - 1]).is_ok(), "a late one from before the wrap");
            }
        }
    }
}

#[test]
fn a_packet_from_before_the_first_rollover_is_too_old() {
    let (mut outbound, mut inbound) = pair(Profile::Aes128Gcm);
    assert!(unprotect(&mut inbound, &protect(&mut outbound, SSRC, 2)).is_ok());
    let mut forged = protect(&mut outbound, SSRC, 3);
    forged[2..4].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(unprotect(&mut inbound, &forged), Err(Discard::SrtpTooOld));
}

#[test]
fn forged_ssrcs_leave_no_state_and_real_ones_are_bounded() {
    let (mut outbound, mut inbound) = pair(Profile::Aes128Gcm);
    for ssrc in 0..10_000 {
        let forged = [plain(1, ssrc), vec![0; 16]].concat();
        assert_eq!(unprotect(&mut inbound, &forged), Err(Discard::SrtpAuth));
    }
    assert_eq!(inbound.streams().0, 0);
    for ssrc in 0..3 * SSRCS as u32 {
        let packet = protect(&mut outbound, ssrc, 1);
        assert!(unprotect(&mut inbound, &packet).is_ok(), "{ssrc}");
        assert!(inbound.streams().0 <= SSRCS);
        outbound.retire(ssrc);
    }
}

#[test]
fn an_ssrc_that_was_retired_goes_on_where_it_was_and_nothing_older_is_taken() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = pair(profile);
        // Twice over the wrap: nobody could guess its rollover counter.
        let packets: Vec<_> = (1..6u64).map(|index| protect(&mut outbound, SSRC, index * 30_000)).collect();
        let late = protect(&mut outbound, SSRC, 149_990);
        packets.iter().for_each(|packet| assert!(unprotect(&mut inbound, packet).is_ok()));
        inbound.retire(SSRC);
        assert_eq!(inbound.streams().0, 0);
        assert_eq!(unprotect(&mut inbound, &packets[4]), Err(Discard::SrtpTooOld), "replayed");
        assert_eq!(unprotect(&mut inbound, &late), Err(Discard::SrtpTooOld));
        assert!(unprotect(&mut inbound, &protect(&mut outbound, SSRC, 150_001)).is_ok(), "{profile:?}");
        assert_eq!(unprotect(&mut inbound, &late), Err(Discard::SrtpReplay), "also beside newer ones");
    }
}

#[test]
fn the_ssrc_that_was_silent_for_longest_makes_room() {
    let (mut outbound, mut inbound) = pair(Profile::Aes128Gcm);
    for ssrc in 0..SSRCS as u32 {
        assert!(unprotect(&mut inbound, &protect(&mut outbound, ssrc, 5)).is_ok());
    }
    assert!(unprotect(&mut inbound, &protect(&mut outbound, 0, 7)).is_ok());
    outbound.retire(1);
    assert!(unprotect(&mut inbound, &protect(&mut outbound, 9_999_999, 1)).is_ok());
    assert!(unprotect(&mut inbound, &protect(&mut outbound, 0, 6)).is_ok(), "its window is there");
}

#[test]
fn reports_of_ever_new_senders_are_read() {
    let (mut outbound, mut inbound) = pair(Profile::Aes128Gcm);
    for ssrc in 0..3 * SSRCS as u32 {
        let mut compound = [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes()].concat();
        outbound.protect_rtcp(&mut compound);
        let replayed = compound.clone();
        assert!(inbound.unprotect_rtcp(&mut compound).is_ok(), "{ssrc}");
        inbound.retire(ssrc);
        assert!(inbound.unprotect_rtcp(&mut replayed.clone()).is_err(), "again");
    }
}

#[test]
fn what_was_retired_never_leaves_again() {
    let (mut outbound, _) = pair(Profile::Aes128Gcm);
    assert!(!protect(&mut outbound, SSRC, 1).is_empty());
    outbound.retire(SSRC);
    assert!(protect(&mut outbound, SSRC, 2).is_empty());
    assert!(!protect(&mut outbound, SSRC + 1, 2).is_empty());
}

#[test]
fn too_short_for_a_tag_is_truncated() {
    for profile in PROFILES {
        let (_, mut inbound) = pair(profile);
        let short = plain(1, SSRC)[..12 + profile.tag_length() - 3].to_vec();
        assert_eq!(unprotect(&mut inbound, &short), Err(Discard::Truncated));
        for length in 0..8 + 4 + profile.tag_length() {
            let mut short = vec![0x80; length];
            assert_eq!(inbound.unprotect_rtcp(&mut short), Err(Discard::Truncated), "{length} octets");
        }
    }
}

#[test]
fn an_index_never_encrypts_twice_and_nothing_is_encrypted_after_the_attempt() {
    let (mut outbound, _) = pair(Profile::Aes128Gcm);
    protect(&mut outbound, SSRC, 70_000);
    assert!(!protect(&mut outbound, SSRC, 70_001).is_empty() && outbound.broken().is_none());
    assert!(protect(&mut outbound, SSRC, 70_000).is_empty());
    assert_eq!(outbound.broken().map(|broken| broken.0), Some("an SRTP index came up twice"));
    assert!(protect(&mut outbound, SSRC, 70_002).is_empty());
    let mut compound = receiver_report(SSRC);
    assert!(!outbound.protect_rtcp(&mut compound) && compound.is_empty(), "nothing of it is left in clear");
}

#[test]
fn indexes_are_used_up_once_for_ever() {
    let keys = keys(Profile::Aes128Gcm);
    let mut outbound = Outbound::new(&keys);
    assert!(!protect(&mut outbound, SSRC, (1 << 48) - 1).is_empty());
    assert!(protect(&mut outbound, SSRC, 1 << 48).is_empty());
    assert_eq!(outbound.broken().map(|broken| broken.0), Some("the SRTP indexes are used up"));
    let mut outbound = Outbound::worn_out(&keys);
    assert!(!outbound.protect_rtcp(&mut receiver_report(SSRC)));
    assert_eq!(outbound.broken().map(|broken| broken.0), Some("the SRTCP indexes are used up"));
}

#[test]
fn a_packet_without_room_for_its_tag_is_not_sent() {
    let (mut outbound, _) = pair(Profile::Aes128Gcm);
    assert_eq!(outbound.protect_rtp(&mut [0x80; 40], 12, 30, SSRC, 1), 0);
    assert_eq!(outbound.broken().map(|broken| broken.0), Some("a packet could not be encrypted"));
}

#[test]
fn what_left_is_encrypted_again_if_it_is_the_same_and_erased_if_it_is_not() {
    for profile in PROFILES {
        let (mut outbound, _) = pair(profile);
        let first = protect(&mut outbound, SSRC, 70_000);
        let proof = outbound.proof(&first);
        let mut again = |change: fn(&mut Vec<u8>), index: u64| {
            let mut packet = plain(70_000u64 as u16, SSRC);
            change(&mut packet);
            let length = packet.len();
            packet.resize(length + Outbound::OVERHEAD, 0);
            let sent = outbound.protect_rtp_again(&mut packet, 12, length, (SSRC, index), proof);
            packet.truncate(if sent == 0 { length } else { sent });
            (sent, packet)
        };
        assert_eq!(again(|_| (), 70_000), (first.len(), first.clone()));
        let changes: [fn(&mut Vec<u8>); 4] = [
            |packet| packet[1] ^= 0x80,
            |packet| packet[13] ^= 1,
            |packet| packet.push(0),
            |packet| packet.truncate(20),
        ];
        for change in changes {
            let (sent, packet) = again(change, 70_000);
            assert!(sent == 0 && packet.iter().all(|&octet| octet == 0), "{profile:?}");
        }
        assert_eq!(again(|_| (), 69_999).0, 0, "it never left under this");
        assert_eq!(again(|_| (), 60_000).0, 0, "nobody remembers");
    }
}

#[test]
fn an_index_too_old_to_be_known_new_is_not_sent() {
    let (mut outbound, _) = pair(Profile::Aes128Gcm);
    protect(&mut outbound, SSRC, 2_000);
    assert!(!protect(&mut outbound, SSRC, 2_000 - 1_023).is_empty(), "late, and new");
    assert!(protect(&mut outbound, SSRC, 2_000 - 1_024).is_empty());
}

proptest! {
    /// With lost, duplicated and late packets: each packet within the window is decrypted once, unchanged.
    #[test]
    fn any_order_of_arrival_is_read_once(
        start in 0u64..32_768,
        gaps in prop::collection::vec(1u64..3_000, 1..120),
        order in prop::collection::vec((0usize..120, 0usize..8), 1..300),
    ) {
        let (mut outbound, mut inbound) = pair(Profile::Aes128Gcm);
        let mut index = start;
        let packets: Vec<_> = gaps.iter().map(|gap| {
            index += gap;
            (index, protect(&mut outbound, SSRC, index))
        }).collect();
        let mut highest = packets[0].0;
        let mut read = std::collections::HashSet::new();
        prop_assert!(unprotect(&mut inbound, &packets[0].1).is_ok());
        read.insert(highest);
        for (position, (_, back)) in order.iter().enumerate() {
            let (index, packet) = &packets[position.saturating_sub(*back).min(packets.len() - 1)];
            let result = unprotect(&mut inbound, packet);
            if index + 1_024 <= highest {
                prop_assert_eq!(result, Err(Discard::SrtpTooOld));
            } else if read.insert(*index) {
                prop_assert_eq!(result, Ok(plain(*index as u16, SSRC)));
                highest = highest.max(*index);
            } else {
                prop_assert_eq!(result, Err(Discard::SrtpReplay));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_an_answer_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for profile in PROFILES {
            let (_, mut inbound) = pair(profile);
            let mut packet = bytes.clone();
            if let Ok(header) = Header::parse(&packet) {
                prop_assert!(inbound.unprotect_rtp(&mut packet, &header).is_err());
            }
            prop_assert!(inbound.unprotect_rtcp(&mut bytes.clone()).is_err());
        }
    }
}
