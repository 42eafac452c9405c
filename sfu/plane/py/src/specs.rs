//! What Python says to the plane: frozen, keyword-only specs, checked when they are made, so that a command cannot fail
//! later. Each mirrors its namesake in `plane_core::command` or `config`; `_native.pyi` says what the fields mean.
//! Long, because a spec is a struct, a signature, its checks and its conversion, fifteen times over, and nothing else.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use plane_core::command as core;
use plane_core::config::{DataLimits as CoreDataLimits, Silence as CoreSilence};
use plane_core::id::{ChannelId, SlotId, TrackId, TransportId, WORKER_SHIFT};
use plane_core::layer::Layer as CoreLayer;
use plane_core::rtp::extension::ExtensionMap;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::words::{Codec, DtlsRole, ExtensionName, Hash, Kind};

/// SHA-256, 384 and 512 in octets.
fn digest_length(hash: core::Hash) -> usize {
    match hash {
        core::Hash::Sha256 => 32,
        core::Hash::Sha384 => 48,
        core::Hash::Sha512 => 64,
    }
}

fn refuse<T>(sentence: impl Into<String>) -> PyResult<T> {
    Err(PyValueError::new_err(sentence.into()))
}

/// `value` as the narrower number the plane keeps.
fn within<T: TryFrom<i64>>(what: &str, value: i64, from: i64, to: i64) -> PyResult<T> {
    let narrow = T::try_from(value).ok().filter(|_| (from..=to).contains(&value));
    narrow.ok_or_else(|| PyValueError::new_err(format!("{what} is {value}, not within {from}..{to}")))
}

fn not_empty(what: &str, text: &str, longest: usize) -> PyResult<()> {
    if text.is_empty() || text.len() > longest {
        return refuse(format!("{what} has {} octets, not 1..{longest}", text.len()));
    }
    Ok(())
}

/// What hangs on a transport lives on its worker.
fn beside(what: &str, id: u64, transport: u64) -> PyResult<()> {
    let (own, its) = (id >> WORKER_SHIFT, transport >> WORKER_SHIFT);
    if own != its {
        return refuse(format!("{what} {id} is of worker {own}, its transport {transport} of worker {its}"));
    }
    Ok(())
}

fn seconds(what: &str, value: f64) -> PyResult<Duration> {
    match Duration::try_from_secs_f64(value) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => refuse(format!("{what} is {value} s, not a time span above 0")),
    }
}

#[pyclass(frozen, eq, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq)]
pub struct Silence {
    with_feedback: f64,
    shortest: f64,
    longest: f64,
    factor: f64,
}

#[pymethods]
impl Silence {
    #[new]
    #[pyo3(signature = (*, with_feedback = 4.0, shortest = 8.0, longest = 15.0, factor = 2.5))]
    fn new(with_feedback: f64, shortest: f64, longest: f64, factor: f64) -> PyResult<Self> {
        seconds("with_feedback", with_feedback)?;
        if seconds("shortest", shortest)? > seconds("longest", longest)? {
            return refuse(format!("shortest is {shortest} s, longer than longest, {longest} s"));
        }
        if !(1.0..=1_000.0).contains(&factor) {
            return refuse(format!("factor is {factor}, not within 1..1000"));
        }
        Ok(Self { with_feedback, shortest, longest, factor })
    }
}

impl Silence {
    fn to_core(&self) -> CoreSilence {
        CoreSilence {
            with_feedback: Duration::from_secs_f64(self.with_feedback),
            shortest: Duration::from_secs_f64(self.shortest),
            longest: Duration::from_secs_f64(self.longest),
            factor: self.factor as f32,
        }
    }
}

#[pyclass(frozen, eq, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq)]
pub struct DataLimits {
    channels: usize,
    message: usize,
    messages_per_second: u32,
    message_burst: u32,
    buffered: usize,
    receive_window: usize,
    backlog_octets: usize,
    backlog_age: f64,
    server_messages: usize,
}

#[pymethods]
impl DataLimits {
    #[new]
    #[pyo3(signature = (
        *,
        channels = 64,
        message = 65_536,
        messages_per_second = 200,
        message_burst = 400,
        buffered = 262_144,
        receive_window = 524_288,
        backlog_octets = 100_000,
        backlog_age = 2.0,
        server_messages = 64,
    ))]
    // One argument per field, named at every call: that is what a keyword-only spec is.
    #[allow(clippy::too_many_arguments)]
    fn new(
        channels: i64,
        message: i64,
        messages_per_second: i64,
        message_burst: i64,
        buffered: i64,
        receive_window: i64,
        backlog_octets: i64,
        backlog_age: f64,
        server_messages: i64,
    ) -> PyResult<Self> {
        const MOST: i64 = 1 << 30;
        seconds("backlog_age", backlog_age)?;
        if receive_window < message {
            return refuse(format!("receive_window is {receive_window}, less than one message of {message} octets"));
        }
        Ok(Self {
            // Stream ids are 16 bits, and 65,535 is reserved (RFC 8831 s6.2).
            channels: within("channels", channels, 0, 65_534)?,
            message: within("message", message, 1, MOST)?,
            messages_per_second: within("messages_per_second", messages_per_second, 1, MOST)?,
            message_burst: within("message_burst", message_burst, 1, MOST)?,
            buffered: within("buffered", buffered, 1, MOST)?,
            receive_window: within("receive_window", receive_window, 1, MOST)?,
            backlog_octets: within("backlog_octets", backlog_octets, 0, MOST)?,
            backlog_age,
            server_messages: within("server_messages", server_messages, 1, MOST)?,
        })
    }
}

impl DataLimits {
    fn to_core(&self) -> CoreDataLimits {
        CoreDataLimits {
            channels: self.channels,
            message: self.message,
            messages_per_second: self.messages_per_second,
            message_burst: self.message_burst,
            buffered: self.buffered,
            receive_window: self.receive_window,
            backlog_octets: self.backlog_octets,
            backlog_age: Duration::from_secs_f64(self.backlog_age),
            server_messages: self.server_messages,
        }
    }
}

#[pyclass(frozen, eq, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq)]
pub struct PlaneConfig {
    hosts: Vec<String>,
    udp_port: u16,
    workers: usize,
    silence: Silence,
    data: DataLimits,
    seed: Option<u64>,
}

#[pymethods]
impl PlaneConfig {
    #[new]
    #[pyo3(signature = (*, hosts, udp_port, workers, silence = None, data = None, seed = None))]
    fn new(
        hosts: Vec<String>,
        udp_port: i64,
        workers: i64,
        silence: Option<Silence>,
        data: Option<DataLimits>,
        seed: Option<u64>,
    ) -> PyResult<Self> {
        let udp_port = within("udp_port", udp_port, 0, 65_535)?;
        let workers = within("workers", workers, 1, 256)?;
        if usize::from(udp_port) + workers > 65_536 {
            return refuse(format!("{workers} workers from port {udp_port} on need ports above 65535"));
        }
        if hosts.is_empty() {
            return refuse("hosts is empty: there is no address to bind to");
        }
        if let Some(bad) = hosts.iter().find(|host| host.parse::<IpAddr>().is_err()) {
            return refuse(format!("host {bad:?} is not an IP address"));
        }
        let silence = match silence {
            Some(silence) => silence,
            None => Silence::new(4.0, 8.0, 15.0, 2.5)?,
        };
        let data = match data {
            Some(data) => data,
            None => DataLimits::new(64, 65_536, 200, 400, 262_144, 524_288, 100_000, 2.0, 64)?,
        };
        Ok(Self { hosts, udp_port, workers, silence, data, seed })
    }
}

impl PlaneConfig {
    pub fn to_io(&self) -> plane_io::Config {
        plane_io::Config {
            hosts: self.hosts.iter().filter_map(|host| host.parse().ok()).collect(),
            udp_port: self.udp_port,
            workers: self.workers,
            seed: self.seed,
            silence: self.silence.to_core(),
            data: self.data.to_core(),
        }
    }
}

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
        // RFC 8839 s5.4: ufrag = 4*256ice-char, pwd = 22*256ice-char, ice-char = ALPHA / DIGIT / "+" / "/".
        for (what, value, least) in [
            ("local_ufrag", &local_ufrag, 4),
            ("local_pwd", &local_pwd, 22),
            ("remote_ufrag", &remote_ufrag, 4),
            ("remote_pwd", &remote_pwd, 22),
        ] {
            if !(least..=256).contains(&value.len()) {
                return refuse(format!("{what} has {} characters, not {least}..256 (RFC 8839)", value.len()));
            }
            if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/') {
                return refuse(format!("{what} has a character that is none of A-Z a-z 0-9 + / (RFC 8839)"));
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
        // One octet counts an SDES item (RFC 3550 s6.5).
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
        // 0 in SDP: as large as the peer can (RFC 8841 s6.1).
        let max_message_size = if self.max_message_size == 0 { u32::MAX } else { self.max_message_size };
        core::SctpSpec { local_port: self.local_port, remote_port: self.remote_port, max_message_size }
    }
}

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PayloadType {
    number: u8,
    codec: Codec,
    format: u16,
    clock_rate: u32,
    rtx: Option<u8>,
}

#[pymethods]
impl PayloadType {
    #[new]
    #[pyo3(signature = (*, number, codec, clock_rate, format = 0, rtx = None))]
    fn new(number: i64, codec: Codec, clock_rate: i64, format: i64, rtx: Option<i64>) -> PyResult<Self> {
        let rtx = rtx.map(|rtx| payload_type_number("rtx", rtx)).transpose()?;
        let number = payload_type_number("payload type", number)?;
        if rtx == Some(number) {
            return refuse(format!("payload type {number} is its own rtx"));
        }
        let clock_rate = within("clock_rate", clock_rate, 1, 1_000_000)?;
        Ok(Self { number, codec, format: within("format", format, 0, 65_535)?, clock_rate, rtx })
    }
}

fn payload_type_number(what: &str, number: i64) -> PyResult<u8> {
    let number = within(what, number, 0, 127)?;
    // With the marker bit these look like RTCP packet types 192..223 (RFC 5761 s4).
    if (64..=95).contains(&number) {
        return refuse(format!("{what} is {number}; 64..95 would be taken for RTCP (RFC 5761)"));
    }
    Ok(number)
}

impl PayloadType {
    fn into_core(self) -> plane_core::codec::PayloadType {
        plane_core::codec::PayloadType {
            number: self.number,
            codec: self.codec.0,
            format: self.format,
            clock_rate: self.clock_rate,
            rtx: self.rtx,
        }
    }
}

/// At least one, all of one kind.
fn check_payload_types(kind: Kind, payload_types: &[PayloadType]) -> PyResult<()> {
    if payload_types.is_empty() {
        return refuse("payload_types is empty");
    }
    let is_video = kind.0 == core::Kind::Video;
    match payload_types.iter().find(|payload_type| payload_type.codec.0.is_video() != is_video) {
        Some(stray) => refuse(format!("payload type {} is {}, not {}", stray.number, stray.codec.word(), kind.word())),
        None => Ok(()),
    }
}

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EncodingSpec {
    rid: Option<String>,
    ssrc: Option<u32>,
    rtx_ssrc: Option<u32>,
}

#[pymethods]
impl EncodingSpec {
    #[new]
    #[pyo3(signature = (*, rid = None, ssrc = None, rtx_ssrc = None))]
    fn new(rid: Option<String>, ssrc: Option<i64>, rtx_ssrc: Option<i64>) -> PyResult<Self> {
        if let Some(rid) = &rid {
            not_empty("rid", rid, 255)?;
        }
        if rtx_ssrc.is_some() && rtx_ssrc == ssrc {
            return refuse("ssrc and rtx_ssrc are the same");
        }
        let wide =
            |what: &str, value: Option<i64>| value.map(|ssrc| within(what, ssrc, 0, u32::MAX.into())).transpose();
        Ok(Self { rid, ssrc: wide("ssrc", ssrc)?, rtx_ssrc: wide("rtx_ssrc", rtx_ssrc)? })
    }
}

/// Ids of header extensions by name: a dict in Python.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Extensions(Vec<(ExtensionName, u8)>);

impl<'py> FromPyObject<'_, 'py> for Extensions {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let mut extensions: Vec<(ExtensionName, u8)> = Vec::new();
        for (name, id) in object.extract::<HashMap<ExtensionName, i64>>()? {
            // RFC 8285 s4.2 and s4.3: 0 is padding, one octet holds the id of the two-byte form.
            extensions.push((name, within(&format!("the id of {}", name.word()), id, 1, 255)?));
        }
        extensions.sort_by_key(|&(name, id)| (id, name.word()));
        let same = extensions.windows(2).find(|pair| pair[0].1 == pair[1].1);
        if let Some([one, two]) = same {
            return refuse(format!("{} and {} have the same id, {}", one.0.word(), two.0.word(), one.1));
        }
        Ok(Self(extensions))
    }
}

impl<'py> IntoPyObject<'py> for Extensions {
    type Target = PyDict;
    type Output = Bound<'py, PyDict>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let dict = PyDict::new(py);
        for (name, id) in self.0 {
            dict.set_item(name, id)?;
        }
        Ok(dict)
    }
}

impl Extensions {
    fn into_core(self) -> ExtensionMap {
        let mut map = ExtensionMap::default();
        for (name, id) in self.0 {
            map.set(name.0, id);
        }
        map
    }
}

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrackSpec {
    id: u64,
    transport: u64,
    kind: Kind,
    mid: String,
    payload_types: Vec<PayloadType>,
    encodings: Vec<EncodingSpec>,
    extensions: Extensions,
    nack: bool,
    pli: bool,
    fir: bool,
}

#[pymethods]
impl TrackSpec {
    #[new]
    #[pyo3(signature = (*, id, transport, kind, mid, payload_types, encodings, extensions, nack, pli, fir))]
    // One argument per field, named at every call.
    #[allow(clippy::too_many_arguments)]
    fn new(
        id: u64,
        transport: u64,
        kind: Kind,
        mid: String,
        payload_types: Vec<PayloadType>,
        encodings: Vec<EncodingSpec>,
        extensions: Extensions,
        nack: bool,
        pli: bool,
        fir: bool,
    ) -> PyResult<Self> {
        beside("track", id, transport)?;
        not_empty("mid", &mid, 255)?;
        check_payload_types(kind, &payload_types)?;
        // A layer's `spatial` is one octet, and nobody sends more than three or four.
        if encodings.is_empty() || encodings.len() > 8 {
            return refuse(format!("a track has 1..8 encodings, not {}", encodings.len()));
        }
        if encodings.len() > 1 && encodings.iter().any(|encoding| encoding.rid.is_none() && encoding.ssrc.is_none()) {
            return refuse("an encoding beside others needs a rid or an ssrc");
        }
        Ok(Self { id, transport, kind, mid, payload_types, encodings, extensions, nack, pli, fir })
    }
}

impl TrackSpec {
    pub fn into_core(self) -> core::TrackSpec {
        let encoding = |of: EncodingSpec| core::EncodingSpec { rid: of.rid, ssrc: of.ssrc, rtx_ssrc: of.rtx_ssrc };
        core::TrackSpec {
            id: TrackId(self.id),
            transport: TransportId(self.transport),
            kind: self.kind.0,
            mid: self.mid,
            payload_types: self.payload_types.into_iter().map(PayloadType::into_core).collect(),
            encodings: self.encodings.into_iter().map(encoding).collect(),
            extensions: self.extensions.into_core(),
            nack: self.nack,
            pli: self.pli,
            fir: self.fir,
        }
    }
}

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SlotSpec {
    id: u64,
    transport: u64,
    kind: Kind,
    mid: String,
    ssrc: u32,
    rtx_ssrc: Option<u32>,
    payload_types: Vec<PayloadType>,
    extensions: Extensions,
}

#[pymethods]
impl SlotSpec {
    #[new]
    #[pyo3(signature = (*, id, transport, kind, mid, ssrc, rtx_ssrc, payload_types, extensions))]
    // One argument per field, named at every call.
    #[allow(clippy::too_many_arguments)]
    fn new(
        id: u64,
        transport: u64,
        kind: Kind,
        mid: String,
        ssrc: i64,
        rtx_ssrc: Option<i64>,
        payload_types: Vec<PayloadType>,
        extensions: Extensions,
    ) -> PyResult<Self> {
        beside("slot", id, transport)?;
        not_empty("mid", &mid, 255)?;
        check_payload_types(kind, &payload_types)?;
        if rtx_ssrc == Some(ssrc) {
            return refuse("ssrc and rtx_ssrc are the same");
        }
        let ssrc = within("ssrc", ssrc, 0, u32::MAX.into())?;
        let rtx_ssrc = rtx_ssrc.map(|ssrc| within("rtx_ssrc", ssrc, 0, u32::MAX.into())).transpose()?;
        Ok(Self { id, transport, kind, mid, ssrc, rtx_ssrc, payload_types, extensions })
    }
}

impl SlotSpec {
    pub fn into_core(self) -> core::SlotSpec {
        core::SlotSpec {
            id: SlotId(self.id),
            transport: TransportId(self.transport),
            kind: self.kind.0,
            mid: self.mid,
            ssrc: self.ssrc,
            rtx_ssrc: self.rtx_ssrc,
            payload_types: self.payload_types.into_iter().map(PayloadType::into_core).collect(),
            extensions: self.extensions.into_core(),
        }
    }
}

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChannelSpec {
    id: u64,
    transport: u64,
    label: String,
    protocol: String,
    ordered: bool,
    retransmits: Option<u16>,
    lifetime: Option<u16>,
    remote: bool,
}

#[pymethods]
impl ChannelSpec {
    #[new]
    #[pyo3(signature = (
        *, id, transport, label, protocol = "", ordered = true, retransmits = None, lifetime = None, remote = false
    ))]
    // One argument per field, named at every call.
    #[allow(clippy::too_many_arguments)]
    fn new(
        id: u64,
        transport: u64,
        label: String,
        protocol: &str,
        ordered: bool,
        retransmits: Option<i64>,
        lifetime: Option<i64>,
        remote: bool,
    ) -> PyResult<Self> {
        beside("channel", id, transport)?;
        // Two octets count each of them (RFC 8832 s5.1).
        for (what, text) in [("label", label.as_str()), ("protocol", protocol)] {
            if text.len() > 65_535 {
                return refuse(format!("{what} has {} octets, more than 65535", text.len()));
            }
        }
        if retransmits.is_some() && lifetime.is_some() {
            return refuse("a channel is limited in retransmits or in lifetime, not in both (RFC 8832)");
        }
        let retransmits = retransmits.map(|limit| within("retransmits", limit, 0, 65_535)).transpose()?;
        let lifetime = lifetime.map(|limit| within("lifetime", limit, 0, 65_535)).transpose()?;
        Ok(Self { id, transport, label, protocol: protocol.to_owned(), ordered, retransmits, lifetime, remote })
    }
}

impl ChannelSpec {
    pub fn into_core(self) -> core::ChannelSpec {
        let reliability = match (self.retransmits, self.lifetime) {
            (Some(limit), _) => core::Reliability::Retransmits(limit),
            (None, Some(limit)) => core::Reliability::Lifetime(limit),
            (None, None) => core::Reliability::Reliable,
        };
        core::ChannelSpec {
            id: ChannelId(self.id),
            transport: TransportId(self.transport),
            label: self.label,
            protocol: self.protocol,
            ordered: self.ordered,
            reliability,
            remote: self.remote,
        }
    }
}

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Route {
    sender: Option<String>,
    targets: Vec<(String, u64)>,
    to_server: bool,
}

#[pymethods]
impl Route {
    #[new]
    #[pyo3(signature = (*, sender = None, targets = Vec::new(), to_server = false))]
    fn new(sender: Option<String>, targets: Vec<(String, u64)>, to_server: bool) -> PyResult<Self> {
        // One octet counts a name in the envelope.
        if let Some(sender) = &sender {
            not_empty("sender", sender, 255)?;
            for (name, _) in &targets {
                not_empty("the name of a target", name, 255)?;
            }
        }
        Ok(Self { sender, targets, to_server })
    }
}

impl Route {
    pub fn into_core(self) -> core::Route {
        let targets = self.targets.into_iter().map(|(name, channel)| (name, ChannelId(channel))).collect();
        core::Route { sender: self.sender, targets, to_server: self.to_server }
    }
}

#[pyclass(frozen, eq, ord, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layer {
    pub spatial: u8,
    pub temporal: u8,
}

#[pymethods]
impl Layer {
    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("spatial", "temporal")
    }

    #[new]
    fn new(spatial: i64, temporal: i64) -> PyResult<Self> {
        // Temporal ids have three bits in VP9 and AV1, two in VP8 (RFC 9628, 7741).
        Ok(Self { spatial: within("spatial", spatial, 0, 7)?, temporal: within("temporal", temporal, 0, 7)? })
    }

    fn __repr__(&self) -> String {
        format!("Layer(spatial={}, temporal={})", self.spatial, self.temporal)
    }
}

impl From<CoreLayer> for Layer {
    fn from(layer: CoreLayer) -> Self {
        Self { spatial: layer.spatial, temporal: layer.temporal }
    }
}

/// A rung of a ladder: anything with `spatial` and `temporal`, be it ours or `sfu.model.Layer`.
pub struct Rung(pub CoreLayer);

impl<'py> FromPyObject<'_, 'py> for Rung {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let spatial = object.getattr(pyo3::intern!(py, "spatial"))?.extract()?;
        let temporal = object.getattr(pyo3::intern!(py, "temporal"))?.extract()?;
        let layer = Layer::new(spatial, temporal)?;
        Ok(Self(CoreLayer::new(layer.spatial, layer.temporal)))
    }
}
