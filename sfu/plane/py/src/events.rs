//! The events that Python receives: one frozen class per event, to be used with `match`. Each mirrors the type of the
//! same name in `plane_core::event`; `_native.pyi` documents the fields.

use std::collections::HashMap;

use plane_core::Event;
use plane_core::stats::{Counters as CoreCounters, Stats as CoreStats};
use plane_io::News;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::specs::Layer;
use crate::words::{Cause, ChannelWord, Codec, TransportWord};

/// Defines a frozen class with the fields in the given order: read-only attributes, `__match_args__`, `==` and `repr`.
/// Python can construct it too, for tests of code that reads events.
macro_rules! event {
    ($name:ident { $($field:ident: $type:ty $(= $default:expr)?),* $(,)? }) => {
        #[pyclass(frozen, eq, get_all, from_py_object, module = "sfu.plane._native")]
        #[derive(Clone, PartialEq)]
        pub struct $name { $(pub $field: $type),* }

        #[pymethods]
        impl $name {
            #[classattr]
            fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
                PyTuple::new(py, [$(stringify!($field)),*])
            }

            #[new]
            #[pyo3(signature = ($($field $(= $default)?),*))]
            // One argument per field.
            #[allow(clippy::too_many_arguments)]
            fn new($($field: $type),*) -> Self {
                Self { $($field),* }
            }

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                let mut fields: Vec<String> = Vec::new();
                $(
                    let value = self.$field.clone().into_bound_py_any(py)?;
                    fields.push(format!("{}={}", stringify!($field), value.repr()?));
                )*
                Ok(format!("{}({})", stringify!($name), fields.join(", ")))
            }
        }
    };
}

event!(LayerRate { layer: Layer, bps: u64, width: u16, height: u16, fps: f32 });
event!(TransportState { transport: u64, state: TransportWord, reason: String });
event!(Estimate {
    transport: u64,
    estimate: u64,
    budget: u64,
    throughput: Option<u64> = None,
    queue: f64 = 0.0,
    loss: f64 = 0.0,
    loss_limited: bool = false,
    round_trip: f64 = 0.0,
    silent: bool = false,
});
event!(Layers {
    track: u64,
    codec: Option<Codec>,
    layers: Vec<LayerRate>,
    encrypted: bool,
    deaf: bool,
    surplus: Vec<u32> = Vec::new(),
    lacks_parameters: bool = false,
    loss: f32 = 0.0,
    round_trip: f32 = 0.0,
});
event!(Switched { slot: u64, track: Option<u64>, layer: Option<Layer>, cause: Cause });
event!(Refused { slot: u64, track: Option<u64>, reason: String });
event!(AudioLevels { levels: Vec<(u64, Vec<u8>)> });
event!(ChannelState {
    transport: u64,
    channel: u64,
    state: ChannelWord,
    label: String,
    protocol: String,
    reason: String,
});
event!(Message { channel: u64, payload: Vec<u8>, text: bool });
event!(Buffered { channel: u64, octets: usize });
event!(Captured { transport: u64, octets: Vec<u8>, ended: Option<String> });
event!(TraceLine { level: String, target: String, text: String });
event!(WorkerFailed { worker: usize, reason: String });

/// Converts an event to its Python object.
pub fn to_python(py: Python<'_>, news: News) -> PyResult<Bound<'_, PyAny>> {
    let event = match news {
        News::Event(event) => event,
        News::WorkerFailed { worker, reason } => {
            return WorkerFailed { worker, reason }.into_bound_py_any(py);
        }
        News::Trace(line) => {
            let (level, target) = (line.level.as_str().to_lowercase(), line.target.to_owned());
            return TraceLine { level, target, text: line.text }.into_bound_py_any(py);
        }
        News::TraceDropped(count) => {
            let text = format!("{count} lines over the limit were dropped");
            return TraceLine { level: "info".into(), target: "dropped".into(), text }.into_bound_py_any(py);
        }
    };
    match event {
        Event::TransportState { transport, state, reason } => {
            let state = TransportWord(state);
            TransportState { transport: transport.0, state, reason: reason.to_owned() }.into_bound_py_any(py)
        }
        Event::Estimate { transport, network } => Estimate {
            transport: transport.0,
            estimate: network.estimate,
            budget: network.budget,
            throughput: network.throughput,
            queue: network.queue.as_secs_f64(),
            loss: network.loss,
            loss_limited: network.is_loss_limited,
            round_trip: network.round_trip.as_secs_f64(),
            silent: network.is_silent,
        }
        .into_bound_py_any(py),
        Event::Layers { track, codec, layers, encrypted, deaf, surplus, lacks_parameters, loss, round_trip } => {
            let rate = |rate: plane_core::event::LayerRate| LayerRate {
                layer: rate.layer.into(),
                bps: rate.bps,
                width: rate.width,
                height: rate.height,
                fps: rate.fps,
            };
            let layers = layers.into_iter().map(rate).collect();
            let (track, codec) = (track.0, codec.map(Codec));
            let round_trip = round_trip.map_or(0.0, |round_trip| round_trip.as_secs_f32() * 1_000.0);
            Layers { track, codec, layers, encrypted, deaf, surplus, lacks_parameters, loss, round_trip }
                .into_bound_py_any(py)
        }
        Event::Switched { slot, track, layer, cause } => {
            let (track, layer) = (track.map(|track| track.0), layer.map(Layer::from));
            Switched { slot: slot.0, track, layer, cause: Cause(cause) }.into_bound_py_any(py)
        }
        Event::Refused { slot, track, reason } => {
            let track = track.map(|track| track.0);
            Refused { slot: slot.0, track, reason: reason.to_owned() }.into_bound_py_any(py)
        }
        Event::AudioLevels(levels) => {
            let levels = levels.into_iter().map(|(track, levels)| (track.0, levels.to_vec())).collect();
            AudioLevels { levels }.into_bound_py_any(py)
        }
        Event::ChannelState { transport, channel, state, label, protocol, reason } => {
            let (transport, channel, state) = (transport.0, channel.0, ChannelWord(state));
            ChannelState { transport, channel, state, label, protocol, reason: reason.to_owned() }.into_bound_py_any(py)
        }
        Event::Message { transport: _, channel, payload, text } => {
            Message { channel: channel.0, payload, text }.into_bound_py_any(py)
        }
        Event::Captured { transport, octets, ended } => {
            // Only tests capture all transports at once.
            let (transport, ended) = (transport.map_or(0, |transport| transport.0), ended.map(str::to_owned));
            Captured { transport, octets, ended }.into_bound_py_any(py)
        }
        Event::Buffered { channel, octets } => Buffered { channel: channel.0, octets }.into_bound_py_any(py),
    }
}

/// The counters of one transport.
#[pyclass(frozen, eq, get_all, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Default)]
pub struct Counters {
    packets_received: u64,
    bytes_received: u64,
    packets_sent: u64,
    bytes_sent: u64,
    packets_forwarded: u64,
    packets_retransmitted: u64,
    packets_probing: u64,
    keyframe_requests: u64,
    nacks_sent: u64,
    keyframe_requests_received: u64,
    nacks_received: u64,
    discards: HashMap<&'static str, u64>,
}

impl Counters {
    fn add(&mut self, counters: &CoreCounters) {
        self.packets_received += counters.packets_received;
        self.bytes_received += counters.bytes_received;
        self.packets_sent += counters.packets_sent;
        self.bytes_sent += counters.bytes_sent;
        self.packets_forwarded += counters.packets_forwarded;
        self.packets_retransmitted += counters.packets_retransmitted;
        self.packets_probing += counters.packets_probing;
        self.keyframe_requests += counters.keyframe_requests;
        self.nacks_sent += counters.nacks_sent;
        self.keyframe_requests_received += counters.keyframe_requests_received;
        self.nacks_received += counters.nacks_received;
        for (why, count) in counters.discards() {
            *self.discards.entry(why.label()).or_default() += count;
        }
    }
}

impl From<&CoreCounters> for Counters {
    fn from(counters: &CoreCounters) -> Self {
        let mut sum = Counters::default();
        sum.add(counters);
        sum
    }
}

/// The summed counters of all workers.
#[pyclass(frozen, eq, get_all, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Default)]
pub struct Stats {
    counters: Counters,
    messages_sent: u64,
    transports: u64,
    tracks: u64,
    slots: u64,
    channels: u64,
    links: u64,
    timers: HashMap<&'static str, u64>,
}

impl Stats {
    pub fn sum(workers: &[CoreStats]) -> Stats {
        let mut sum = Stats::default();
        for worker in workers {
            sum.counters.add(&worker.counters);
            sum.messages_sent += worker.messages_sent;
            sum.transports += worker.transports;
            sum.tracks += worker.tracks;
            sum.slots += worker.slots;
            sum.channels += worker.channels;
            sum.links += worker.links;
            for (timer, count) in worker.timers() {
                *sum.timers.entry(timer.label()).or_default() += count;
            }
        }
        sum
    }
}
