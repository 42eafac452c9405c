//! Captures of the plane: a reader of pcapng, and the recording of a simulated call for Wireshark.
//!
//! `SFU_SIM_CAPTURE=/tmp/calls cargo test … TEST` writes the clear packets of each call of the test to a file there.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use plane_core::Plane;
use plane_core::time::{Duration, Instant};

/// The recording of one call. It is written when the call is dropped, also by a failing test.
pub struct Recording {
    file: PathBuf,
    octets: Vec<u8>,
}

impl Recording {
    pub fn start(plane: &mut Plane, now: Instant) -> Option<Recording> {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let folder = PathBuf::from(std::env::var_os("SFU_SIM_CAPTURE")?);
        let test = std::thread::current().name().unwrap_or("call").replace("::", "-");
        let file = folder.join(format!("{test}-{}.pcapng", CALLS.fetch_add(1, Ordering::Relaxed)));
        plane.capture_all(usize::MAX, Duration::MAX, now);
        Some(Recording { file, octets: Vec::new() })
    }

    pub fn add(&mut self, octets: &[u8]) {
        self.octets.extend_from_slice(octets);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let folder = self.file.parent().map(fs::create_dir_all);
        if let Err(error) = folder.unwrap_or(Ok(())).and_then(|()| fs::write(&self.file, &self.octets)) {
            eprintln!("{} cannot be written: {error}", self.file.display());
        }
    }
}

/// A packet of a capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Nanoseconds since 1970.
    pub at: u64,
    pub arrived: bool,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub octets: Vec<u8>,
}

impl Packet {
    pub fn is_rtcp(&self) -> bool {
        (192..=223).contains(&self.octets[1])
    }

    pub fn ssrc(&self) -> u32 {
        u32::from_be_bytes(self.octets[8..12].try_into().expect("four octets"))
    }

    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.octets[2], self.octets[3]])
    }
}

fn u32_at(octets: &[u8], at: usize) -> usize {
    u32::from_le_bytes(octets[at..at + 4].try_into().expect("four octets")) as usize
}

/// Parses a file of one interface whose packets begin with an IP header. Panics if the file is malformed.
pub fn read(mut file: &[u8]) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut kinds = Vec::new();
    while !file.is_empty() {
        let (kind, length) = (u32_at(file, 0), u32_at(file, 4));
        assert_eq!(u32_at(file, length - 4), length, "both lengths of a block agree");
        let body = &file[8..length - 4];
        match kind {
            0x0A0D_0D0A => assert_eq!(u32_at(body, 0), 0x1A2B_3C4D, "little endian"),
            1 => assert_eq!(u16::from_le_bytes([body[0], body[1]]), 101, "raw IP"),
            6 => packets.push(packet(body)),
            other => panic!("block {other:#x}"),
        }
        kinds.push(kind);
        file = &file[length..];
    }
    assert_eq!(kinds.get(..2), Some(&[0x0A0D_0D0A, 1][..]), "a section with an interface");
    assert!(kinds[2..].iter().all(|&kind| kind == 6));
    packets
}

fn packet(body: &[u8]) -> Packet {
    let at = (u32_at(body, 4) as u64) << 32 | u32_at(body, 8) as u64;
    let length = u32_at(body, 12);
    assert_eq!(u32_at(body, 16), length, "the packet is whole");
    let (ip, options) = (&body[20..20 + length], &body[20 + length.next_multiple_of(4)..]);
    assert_eq!(options[..4], [2, 0, 4, 0], "epb_flags");
    let arrived = match u32_at(options, 4) {
        1 => true,
        2 => false,
        other => panic!("direction {other}"),
    };
    let (from, to, udp): (IpAddr, IpAddr, &[u8]) = match ip[0] >> 4 {
        4 => {
            let address = |at: usize| <[u8; 4]>::try_from(&ip[at..at + 4]).expect("four octets").into();
            assert_eq!((usize::from(u16::from_be_bytes([ip[2], ip[3]])), ip[9]), (length, 17));
            (address(12), address(16), &ip[20..])
        }
        6 => {
            let address = |at: usize| <[u8; 16]>::try_from(&ip[at..at + 16]).expect("sixteen octets").into();
            assert_eq!((usize::from(u16::from_be_bytes([ip[4], ip[5]])), ip[6]), (length - 40, 17));
            (address(8), address(24), &ip[40..])
        }
        other => panic!("IP version {other}"),
    };
    let port = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
    assert_eq!(usize::from(port(4)), udp.len());
    Packet { at, arrived, from: (from, port(0)).into(), to: (to, port(2)).into(), octets: udp[8..].to_vec() }
}
