//! The specs of a transport: the ICE, DTLS and SCTP parameters that offer and answer agreed on.

use plane_core::command as core;
use plane_core::id::TransportId;
use plane_core::limits::CAPTURE_OCTETS;
use pyo3::prelude::*;

use super::checks::{digest_length, not_empty, refuse, seconds, within};
use crate::words::{DtlsRole, Hash};

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IceCredentials {
    local_ufrag: String,
    local_pwd: String,
    remote_ufrag: String,
    remote_pwd: String,
}

#[pymethods]
impl IceCredentials {
    #[new]
    #[pyo3(signature = (*, local_ufrag, local_pwd, remote_ufrag, remote_pwd))]
    fn new(local_ufrag: String, local_pwd: String, remote_ufrag: String, remote_pwd: String) -> PyResult<Self> {
        // RFC 8839 s5.4: ufrag = 4*256ice-char, pwd = 22*256ice-char, ice-char = ALPHA / DIGIT / "+" / "/". The
        // characters of base64url are accepted too, as in `negotiation/sdp.py`, because some clients use them in
        // credentials.
        for (what, value, least) in [
            ("local_ufrag", &local_ufrag, 4),
            ("local_pwd", &local_pwd, 22),
            ("remote_ufrag", &remote_ufrag, 4),
            ("remote_pwd", &remote_pwd, 22),
        ] {
            if !(least..=256).contains(&value.len()) {
                return refuse(format!("{what} has {} characters, not {least}..256 (RFC 8839)", value.len()));
            }
            if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte)) {
                return refuse(format!("{what} has a character that is none of A-Z a-z 0-9 + / = _ - (RFC 8839)"));
            }
        }
        Ok(Self { local_ufrag, local_pwd, remote_ufrag, remote_pwd })
    }
}

impl IceCredentials {
    pub fn into_core(self) -> core::IceCredentials {
        core::IceCredentials {
            local_ufrag: self.local_ufrag,
            local_pwd: self.local_pwd,
            remote_ufrag: self.remote_ufrag,
            remote_pwd: self.remote_pwd,
        }
    }
}

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: Hash,
    digest: Vec<u8>,
}

#[pymethods]
impl Fingerprint {
    #[new]
    #[pyo3(signature = (*, hash, digest))]
    fn new(hash: Hash, digest: Vec<u8>) -> PyResult<Self> {
        let length = digest_length(hash.0);
        if digest.len() != length {
            return refuse(format!("a {} digest has {length} octets, not {}", hash.word(), digest.len()));
        }
        Ok(Self { hash, digest })
    }
}

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TransportSpec {
    id: u64,
    ice: IceCredentials,
    dtls_role: DtlsRole,
    fingerprints: Vec<Fingerprint>,
    cname: String,
}

#[pymethods]
impl TransportSpec {
    #[new]
    #[pyo3(signature = (*, id, ice, dtls_role, fingerprints, cname))]
    fn new(
        id: u64,
        ice: IceCredentials,
        dtls_role: DtlsRole,
        fingerprints: Vec<Fingerprint>,
        cname: String,
    ) -> PyResult<Self> {
        if fingerprints.is_empty() {
            return refuse("fingerprints is empty: the peer's certificate could not be checked");
        }
        // The length field of an SDES item has one octet (RFC 3550 s6.5).
        not_empty("cname", &cname, 255)?;
        Ok(Self { id, ice, dtls_role, fingerprints, cname })
    }
}

impl TransportSpec {
    pub fn into_core(self) -> core::TransportSpec {
        let fingerprint = |of: Fingerprint| core::Fingerprint { hash: of.hash.0, digest: of.digest };
        core::TransportSpec {
            id: TransportId(self.id),
            ice: self.ice.into_core(),
            dtls_role: self.dtls_role.0,
            fingerprints: self.fingerprints.into_iter().map(fingerprint).collect(),
            cname: self.cname,
        }
    }
}

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SctpSpec {
    local_port: u16,
    remote_port: u16,
    max_message_size: u32,
}

#[pymethods]
impl SctpSpec {
    #[new]
    #[pyo3(signature = (*, local_port, remote_port, max_message_size))]
    fn new(local_port: i64, remote_port: i64, max_message_size: i64) -> PyResult<Self> {
        Ok(Self {
            local_port: within("local_port", local_port, 1, 65_535)?,
            remote_port: within("remote_port", remote_port, 1, 65_535)?,
            max_message_size: within("max_message_size", max_message_size, 0, u32::MAX.into())?,
        })
    }
}

impl SctpSpec {
    pub fn into_core(self) -> core::SctpSpec {
        // 0 in SDP: the peer accepts messages of any size it can handle (RFC 8841 s6.1).
        let max_message_size = if self.max_message_size == 0 { u32::MAX } else { self.max_message_size };
        core::SctpSpec { local_port: self.local_port, remote_port: self.remote_port, max_message_size }
    }
}

/// Checks the arguments of `start_capture` and makes its command.
pub fn capture(transport: u64, octets: i64, time: f64) -> PyResult<core::Command> {
    let (transport, time) = (TransportId(transport), seconds("seconds", time)?);
    Ok(core::Command::StartCapture { transport, octets: within("octets", octets, 1, CAPTURE_OCTETS as i64)?, time })
}
