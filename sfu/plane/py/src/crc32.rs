//! Computes the CRC-32 of IEEE 802.3 at compile time, as Python's `zlib.crc32` does.

/// Polynomial 0x04C1_1DB7, with its bits reversed.
const POLYNOMIAL: u32 = 0xEDB8_8320;

pub(crate) const fn crc32(octets: &[u8]) -> u32 {
    let mut crc = !0;
    let mut i = 0;
    // No `for` in a const fn.
    while i < octets.len() {
        crc ^= octets[i] as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        i += 1;
    }
    !crc
}

// The check value from the catalogue of CRCs. It is asserted here because the tests of this crate are in Python.
const _: () = assert!(crc32(b"123456789") == 0xCBF4_3926);
