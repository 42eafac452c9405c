//! The packet plane as the Python module `sfu.plane._native`, whose complete interface is in `_native.pyi`. No packet
//! thread calls into Python: Python calls this module, queues commands, and polls the events of the workers.

mod crc32;
mod events;
mod specs;
mod words;

use std::io;
use std::os::fd::AsRawFd;

use plane_core::Command;
use plane_core::id::{ChannelId, GroupId, SlotId, TrackId, TransportId};
use plane_io::{CannotBind, Workers};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::events::{Counters, Stats, to_python};
use crate::specs::{
    AudioPolicy, ChannelSpec, IceCredentials, PlaneConfig, Rung, SctpSpec, SlotSpec, TrackSpec, TransportSpec, capture,
    membership,
};

#[pyclass(frozen, module = "sfu.plane._native")]
struct Plane {
    workers: Workers,
}

#[pymethods]
impl Plane {
    #[new]
    fn new(py: Python<'_>, config: PlaneConfig) -> PyResult<Self> {
        let config = config.to_io();
        let workers = py.detach(|| Workers::start(&config)).map_err(to_os_error)?;
        Ok(Self { workers })
    }

    fn addresses(&self) -> Vec<(String, u16)> {
        let addresses = self.workers.addresses();
        addresses.into_iter().map(|address| (address.ip().to_string(), address.port())).collect()
    }

    fn tcp_port(&self) -> Option<u16> {
        self.workers.tcp_port()
    }

    fn fingerprint(&self) -> &str {
        self.workers.fingerprint()
    }

    fn sets_reports_apart(&self) -> bool {
        self.workers.sets_reports_apart()
    }

    fn add_transport(&self, spec: TransportSpec) -> PyResult<()> {
        self.apply(Command::AddTransport(spec.into_core()))
    }

    fn restart_ice(&self, transport: u64, ice: IceCredentials) -> PyResult<()> {
        self.apply(Command::RestartIce { transport: TransportId(transport), ice: ice.into_core() })
    }

    fn open_sctp(&self, transport: u64, spec: SctpSpec) -> PyResult<()> {
        self.apply(Command::OpenSctp { transport: TransportId(transport), spec: spec.into_core() })
    }

    fn add_track(&self, spec: TrackSpec) -> PyResult<()> {
        self.apply(Command::AddTrack(spec.into_core()))
    }

    fn update_track(&self, spec: TrackSpec) -> PyResult<()> {
        self.apply(Command::UpdateTrack(spec.into_core()))
    }

    fn add_slot(&self, spec: SlotSpec) -> PyResult<()> {
        self.apply(Command::AddSlot(spec.into_core()))
    }

    fn set_source(&self, slots: Vec<u64>, track: Option<u64>) -> PyResult<()> {
        let slots = slots.into_iter().map(SlotId).collect();
        self.apply(Command::SetSource { slots, track: track.map(TrackId) })
    }

    fn set_targets(&self, targets: Vec<(u64, Vec<Rung>)>) -> PyResult<()> {
        let target = |(slot, ladder): (u64, Vec<Rung>)| (SlotId(slot), ladder.into_iter().map(|rung| rung.0).collect());
        self.apply(Command::SetTargets(targets.into_iter().map(target).collect()))
    }

    fn set_demand(&self, transport: u64, bps: u64) -> PyResult<()> {
        self.apply(Command::SetDemand { transport: TransportId(transport), bps })
    }

    fn set_muted(&self, track: u64, muted: bool) -> PyResult<()> {
        self.apply(Command::SetMuted { track: TrackId(track), muted })
    }

    fn set_audio(&self, policy: AudioPolicy) -> PyResult<()> {
        self.apply(Command::SetAudio(policy.into_core()))
    }

    fn request_keyframe(&self, track: u64) -> PyResult<()> {
        self.apply(Command::RequestKeyframe(TrackId(track)))
    }

    fn open_channel(&self, spec: ChannelSpec) -> PyResult<()> {
        self.apply(Command::OpenChannel(spec.into_core()))
    }

    #[pyo3(signature = (id, *, enveloped))]
    fn add_group(&self, id: u64, enveloped: bool) -> PyResult<()> {
        self.apply(Command::AddGroup { id: GroupId(id), enveloped })
    }

    #[pyo3(signature = (group, channel, name, *, may_send))]
    fn join_group(&self, group: u64, channel: u64, name: String, may_send: bool) -> PyResult<()> {
        self.apply(membership(group, channel, name, may_send)?)
    }

    #[pyo3(signature = (channels, payload, *, text))]
    fn send(&self, channels: Vec<u64>, payload: &[u8], text: bool) -> PyResult<()> {
        let channels = channels.into_iter().map(ChannelId).collect();
        self.apply(Command::Send { channels, payload: payload.to_vec(), text })
    }

    fn start_capture(&self, transport: u64, octets: i64, seconds: f64) -> PyResult<()> {
        self.apply(capture(transport, octets, seconds)?)
    }

    fn stop_capture(&self, transport: u64) -> PyResult<()> {
        self.apply(Command::StopCapture(TransportId(transport)))
    }

    fn remove(&self, id: u64) -> PyResult<()> {
        self.apply(Command::Remove(id))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| self.workers.close())?)
    }

    fn fileno(&self) -> i32 {
        self.workers.as_raw_fd()
    }

    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.at_home()?;
        let events = PyList::empty(py);
        for news in self.workers.poll() {
            events.append(to_python(py, news)?)?;
        }
        Ok(events)
    }

    fn stats(&self) -> PyResult<Stats> {
        self.at_home()?;
        Ok(Stats::sum(&self.workers.stats()))
    }

    fn counters(&self, transport: u64) -> PyResult<Option<Counters>> {
        self.at_home()?;
        Ok(self.workers.counters(TransportId(transport)).map(|counters| Counters::from(&counters)))
    }
}

impl Plane {
    fn apply(&self, command: Command) -> PyResult<()> {
        self.at_home()?;
        self.workers.apply(command).map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Raises in a forked child. Without this check, a child that uses the plane would wait forever.
    fn at_home(&self) -> PyResult<()> {
        if self.workers.is_foreign() {
            let (home, here) = (self.workers.process(), std::process::id());
            return Err(PyRuntimeError::new_err(format!(
                "this plane is of process {home}; its fork {here} has no workers"
            )));
        }
        Ok(())
    }
}

/// Makes an OSError with `errno`, like those of Python's sockets. Its `filename` is the address that could not be
/// bound, its `filename2` the protocol.
fn to_os_error(error: io::Error) -> PyErr {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<CannotBind>());
    match cause.and_then(|cause| Some((cause.source.raw_os_error()?, cause.address, cause.protocol))) {
        Some((errno, address, protocol)) => {
            // The fourth argument is of Windows.
            PyOSError::new_err((errno, error.to_string(), address.to_string(), None::<i32>, protocol))
        }
        None => error.into(),
    }
}

#[pymodule]
mod _native {
    #[pymodule_export]
    const STUB_CRC32: u32 = crate::crc32::crc32(include_bytes!("../../_native.pyi"));
    #[pymodule_export]
    use super::Plane;
    #[pymodule_export]
    use crate::events::{
        AudioLevels, Buffered, Captured, ChannelState, Counters, Estimate, LayerRate, Layers, Message, Refused, Stats,
        Switched, TraceLine, TransportState, WorkerFailed,
    };
    #[pymodule_export]
    use crate::specs::{
        AudioPolicy, ChannelSpec, DataLimits, EncodingSpec, Fingerprint, IceCredentials, Layer, PayloadType,
        PlaneConfig, SctpSpec, Silence, SlotSpec, TrackSpec, TransportSpec,
    };
}
