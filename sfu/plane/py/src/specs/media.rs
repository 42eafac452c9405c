//! The specs of tracks and slots: payload types, encodings, header extensions, and the layers that a slot may forward.

use std::collections::HashMap;

use plane_core::command as core;
use plane_core::id::{SlotId, TrackId, TransportId};
use plane_core::layer::Layer as CoreLayer;
use plane_core::limits::{PARAMETER_SETS, SDP_ENCODINGS, SDP_PARAMETER_SETS, SDP_REPAIRS};
use plane_core::rtp::extension::ExtensionMap;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::checks::{beside, not_empty, refuse, within};
use crate::words::{Codec, ExtensionName, Kind};

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

/// Checks that there is at least one payload type and that all are of one kind.
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

/// The ids of header extensions by name; a dict in Python.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Extensions(Vec<(ExtensionName, u8)>);

impl<'py> FromPyObject<'_, 'py> for Extensions {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let mut extensions: Vec<(ExtensionName, u8)> = Vec::new();
        for (name, id) in object.extract::<HashMap<ExtensionName, i64>>()? {
            // RFC 8285 s4.2 and s4.3: 0 is padding, and the id of the two-byte form has one octet.
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
    parameter_sets: Vec<(u8, Vec<u8>)>,
    nack: bool,
    pli: bool,
    fir: bool,
    repairs: Vec<(u32, u32)>,
}

#[pymethods]
impl TrackSpec {
    #[new]
    #[pyo3(signature = (*, id, transport, kind, mid, payload_types, encodings, extensions, parameter_sets = Vec::new(), nack, pli, fir, repairs = Vec::new()))]
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
        parameter_sets: Vec<(u8, Vec<u8>)>,
        nack: bool,
        pli: bool,
        fir: bool,
        repairs: Vec<(i64, i64)>,
    ) -> PyResult<Self> {
        beside("track", id, transport)?;
        not_empty("mid", &mid, 255)?;
        check_payload_types(kind, &payload_types)?;
        // A layer's `spatial` is one octet, and clients send no more than three or four encodings.
        if encodings.is_empty() || encodings.len() > SDP_ENCODINGS {
            return refuse(format!("a track has 1..{SDP_ENCODINGS} encodings, not {}", encodings.len()));
        }
        if repairs.len() > SDP_REPAIRS {
            return refuse(format!("a track has {SDP_REPAIRS} repairs at most, not {}", repairs.len()));
        }
        let ssrc = |value| within("an SSRC of repairs", value, 0, u32::MAX.into());
        let repairs = repairs.into_iter().map(|(of, by)| Ok((ssrc(of)?, ssrc(by)?))).collect::<PyResult<_>>()?;
        if encodings.len() > 1 && encodings.iter().any(|encoding| encoding.rid.is_none() && encoding.ssrc.is_none()) {
            return refuse("an encoding beside others needs a rid or an ssrc");
        }
        if parameter_sets.len() > SDP_PARAMETER_SETS {
            return refuse(format!(
                "a track has up to {SDP_PARAMETER_SETS} parameter sets, not {}",
                parameter_sets.len()
            ));
        }
        if let Some((_, unit)) = parameter_sets.iter().find(|(_, unit)| unit.is_empty() || unit.len() > PARAMETER_SETS)
        {
            return refuse(format!("a parameter set has 1..{PARAMETER_SETS} octets, not {}", unit.len()));
        }
        Ok(Self {
            id,
            transport,
            kind,
            mid,
            payload_types,
            encodings,
            extensions,
            parameter_sets,
            nack,
            pli,
            fir,
            repairs,
        })
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
            parameter_sets: self.parameter_sets,
            nack: self.nack,
            pli: self.pli,
            fir: self.fir,
            repairs: self.repairs,
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

/// A rung of a ladder: any object with `spatial` and `temporal`, either our `Layer` or `sfu.model.Layer`.
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
