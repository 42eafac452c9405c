//! AES in counter mode and HMAC-SHA1, the parts of AES_CM_128_HMAC_SHA1_80 (RFC 3711 s4.1.1, s4.2.1; RFC 2104).
//!
//! Both precompute what depends only on the key (the key schedule, the hashes of the padded key), so that a packet
//! needs no allocation and no key setup.

use boring::sha::Sha1;
use boring::symm::{Cipher, Crypter, Mode};

/// Octets of keystream generated at once: enough for a typical packet, small enough for the stack.
const CHUNK: usize = 1_280;
const BLOCK: usize = 16;

/// Segmented integer counter mode: keystream block `i` is the encryption of `iv + i`.
pub(super) struct Counter(Crypter);

impl Counter {
    /// `key` has 16 or 32 octets.
    pub(super) fn new(key: &[u8]) -> Counter {
        let cipher = if key.len() == 32 { Cipher::aes_256_ecb() } else { Cipher::aes_128_ecb() };
        let mut blocks = Crypter::new(cipher, Mode::Encrypt, key, None).expect("a key of the cipher's length");
        blocks.pad(false);
        Counter(blocks)
    }

    /// Encrypts or decrypts in place. The counter is the last 16 bits of `iv`, which start at zero.
    pub(super) fn apply(&mut self, iv: &[u8; BLOCK], text: &mut [u8]) {
        let mut counters = [0u8; CHUNK];
        // The library requires one more block of room than it writes.
        let mut keystream = [0u8; CHUNK + BLOCK];
        let mut counter = u128::from_be_bytes(*iv);
        for chunk in text.chunks_mut(CHUNK) {
            let length = chunk.len().next_multiple_of(BLOCK);
            for block in counters[..length].chunks_exact_mut(BLOCK) {
                block.copy_from_slice(&counter.to_be_bytes());
                counter = counter.wrapping_add(1);
            }
            self.0.update(&counters[..length], &mut keystream).expect("whole blocks into room for one more");
            for (octet, key) in chunk.iter_mut().zip(&keystream) {
                *octet ^= key;
            }
        }
    }
}

/// HMAC-SHA1 whose inner and outer hashes have already processed the key.
pub(super) struct Mac {
    inner: Sha1,
    outer: Sha1,
}

impl Mac {
    pub(super) fn new(key: &[u8; 20]) -> Mac {
        let begun = |pad: u8| {
            let mut block = [pad; 64];
            for (octet, key) in block.iter_mut().zip(key) {
                *octet ^= key;
            }
            let mut hash = Sha1::new();
            hash.update(&block);
            hash
        };
        Mac { inner: begun(0x36), outer: begun(0x5c) }
    }

    /// The tag of `message || suffix`. The suffix is the rollover counter, which is not on the wire.
    pub(super) fn tag(&self, message: &[u8], suffix: &[u8]) -> [u8; 20] {
        let mut inner = self.inner.clone();
        inner.update(message);
        inner.update(suffix);
        let mut outer = self.outer.clone();
        outer.update(&inner.finish());
        outer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::context::tests::unhex;

    /// RFC 3711 appendix B.2: the keystream from its beginning, and around a carry into the counter's upper octet.
    #[test]
    fn the_keystream_is_that_of_rfc_3711() {
        let mut counter = Counter::new(&unhex("2B7E151628AED2A6ABF7158809CF4F3C"));
        let iv: [u8; 16] = unhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().unwrap();
        let mut keystream = vec![0; 0xff02 * BLOCK];
        counter.apply(&iv, &mut keystream);
        assert_eq!(
            keystream[..48],
            unhex(concat!(
                "E03EAD0935C95E80E166B16DD92B4EB4",
                "D23513162B02D0F72A43A2FE4A5F97AB",
                "41E95B3BB0A2E8DD477901E4FCA894C0"
            ))
        );
        assert_eq!(
            keystream[0xfeff * BLOCK..],
            unhex(concat!(
                "EC8CDF7398607CB0F2D21675EA9EA1E4",
                "362B7C3C6773516318A077D7FC5073AE",
                "6A2CC3787889374FBEB4C81B17BA6C44"
            ))
        );
    }

    /// RFC 2202 s3, test cases 1 and 3.
    #[test]
    fn the_tag_is_that_of_rfc_2202() {
        assert_eq!(
            Mac::new(&[0x0b; 20]).tag(b"Hi There", b"").to_vec(),
            unhex("b617318655057264e28bc0b6fb378c8ef146be00")
        );
        assert_eq!(
            Mac::new(&[0xaa; 20]).tag(&[0xdd; 20], &[0xdd; 30]).to_vec(),
            unhex("125d7342b9ac11cd91a39af48aa17b4f63f175d3")
        );
    }
}
