//! Derives session keys from a master key: the AES-CM key derivation of RFC 3711 s4.3, at the key derivation rate 0 of
//! DTLS-SRTP.

use super::Master;
use super::counter::Counter;

/// The purpose of a derived key (RFC 3711 s4.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// Derives `N` octets for one purpose. The AEAD profiles use this derivation too, with their 96-bit salt shifted left
/// by 16 (RFC 7714 s11).
pub fn derive<const N: usize>(master: &Master, label: Label) -> [u8; N] {
    let mut key = [0; N];
    fill(master, label, &mut key);
    key
}

/// Derives an encryption key, which has the length of the master key.
pub fn derive_key(master: &Master, label: Label) -> Vec<u8> {
    let mut key = vec![0; master.key.len()];
    fill(master, label, &mut key);
    key
}

fn fill(master: &Master, label: Label, key: &mut [u8]) {
    let mut iv = [0u8; 16];
    iv[..master.salt.len()].copy_from_slice(&master.salt);
    // key_id = label || (index DIV 0), 56 bits, aligned with the right end of the 112-bit salt.
    iv[7] ^= label as u8;
    Counter::new(&master.key).apply(&iv, key);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::context::tests::unhex;

    /// RFC 3711 appendix B.3.
    #[test]
    fn session_keys_are_those_of_rfc_3711() {
        let master =
            Master { key: unhex("E1F97A0D3E018BE0D64FA32C06DE4139"), salt: unhex("0EC675AD498AFEEBB6960B3AABE6") };
        assert_eq!(derive_key(&master, Label::RtpEncryption), unhex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(derive::<14>(&master, Label::RtpSalt).to_vec(), unhex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(
            derive::<94>(&master, Label::RtpAuthentication).to_vec(),
            unhex(concat!(
                "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE",
                "E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25",
                "6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2"
            ))
        );
    }
}
