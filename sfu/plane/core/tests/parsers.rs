//! Replays the corpora of the fuzz targets through each parser: unchanged, truncated, and with flipped bits.

#[path = "parsers/mod.rs"]
mod all;

mod inputs;

use std::fs;
use std::path::Path;

#[test]
fn no_parser_panics_on_its_corpus_or_on_what_is_near_it() {
    for (name, parse) in all::PARSERS {
        let files = inputs::named(name);
        assert!(!files.is_empty(), "{name} has a corpus");
        for (_, bytes) in files {
            parse(&bytes);
            for end in 0..bytes.len() {
                parse(&bytes[..end]);
            }
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                parse(&flipped);
            }
            for at in 0..bytes.len() {
                for octet in [0x00, 0x7F, 0x80, 0xFF] {
                    let mut changed = bytes.clone();
                    changed[at] = octet;
                    parse(&changed);
                }
            }
        }
    }
}

#[test]
fn no_parser_panics_on_what_fuzzing_has_found() {
    for (name, parse) in all::PARSERS {
        let kept = inputs::kept(name);
        assert!(!kept.is_empty(), "{name} has a kept corpus");
        kept.iter().for_each(|bytes| parse(bytes));
    }
}

#[test]
fn every_parser_takes_what_is_right_in_its_corpus() {
    use plane_core::codec::{self, Codec};
    let all_read = |name, read: fn(&[u8]) -> bool| {
        for (path, bytes) in inputs::named(name) {
            assert!(read(&bytes), "{}", path.display());
        }
    };
    all_read("rtp", |bytes| plane_core::rtp::header::Header::parse(bytes).is_ok());
    all_read("rtcp", |bytes| plane_core::rtcp::compound::parse(bytes, |_| {}).is_ok());
    all_read("stun", |bytes| plane_core::ice::binding::username(bytes) == Ok("server0"));
    all_read("frames", |bytes| plane_core::ice::framing::first_ufrag(&bytes[1..]) == Ok(Some("server0")));
    all_read("vp8", |bytes| codec::describe(Codec::Vp8, bytes, None).is_ok());
    all_read("vp9", |bytes| codec::describe(Codec::Vp9, bytes, None).is_ok());
    all_read("av1", |bytes| codec::describe(Codec::Av1, bytes, None).is_ok());
    all_read("h264", |bytes| codec::describe(Codec::H264, bytes, None).is_ok());
    all_read("layers_allocation", |bytes| plane_core::rtp::layers_allocation::LayersAllocation::parse(bytes).is_ok());
    all_read("h265", |bytes| codec::describe(Codec::H265, bytes, None).is_ok());
}

#[test]
fn every_parser_has_its_fuzz_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the fuzz crate");
    for (name, _) in all::PARSERS {
        let target = fs::read_to_string(folder.join("fuzz_targets").join(format!("{name}.rs"))).expect("a target");
        assert!(target.contains(&format!("parsers::{name}(")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
}
