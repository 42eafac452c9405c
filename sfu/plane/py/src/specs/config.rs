//! The configuration of the plane, which is set once.

use std::net::IpAddr;
use std::time::Duration;

use plane_core::config::{DataLimits as CoreDataLimits, Silence as CoreSilence};
use pyo3::prelude::*;

use super::checks::{refuse, seconds, within};

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
    // One argument per field, named at every call.
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
    tcp_port: Option<u16>,
    silence: Silence,
    data: DataLimits,
    seed: Option<u64>,
    trace: String,
}

#[pymethods]
impl PlaneConfig {
    #[new]
    #[pyo3(signature = (*, hosts, udp_port, workers, tcp_port = None, silence = None, data = None, seed = None, trace = ""))]
    // One argument per field, named at every call.
    #[allow(clippy::too_many_arguments)]
    fn new(
        hosts: Vec<String>,
        udp_port: i64,
        workers: i64,
        tcp_port: Option<i64>,
        silence: Option<Silence>,
        data: Option<DataLimits>,
        seed: Option<u64>,
        trace: &str,
    ) -> PyResult<Self> {
        let udp_port = within("udp_port", udp_port, 0, 65_535)?;
        let workers = within("workers", workers, 1, 256)?;
        if usize::from(udp_port) + workers > 65_536 {
            return refuse(format!("{workers} workers from port {udp_port} on need ports above 65535"));
        }
        let tcp_port = tcp_port.map(|port| within("tcp_port", port, 0, 65_535)).transpose()?;
        if hosts.is_empty() {
            return refuse("hosts is empty: there is no address to bind to");
        }
        if let Some(bad) = hosts.iter().find(|host| host.parse::<IpAddr>().is_err()) {
            return refuse(format!("host {bad:?} is not an IP address"));
        }
        if let Err(sentence) = trace.parse::<plane_io::Trace>() {
            return refuse(format!("trace {sentence}"));
        }
        let silence = match silence {
            Some(silence) => silence,
            None => Silence::new(4.0, 8.0, 15.0, 2.5)?,
        };
        let data = match data {
            Some(data) => data,
            None => DataLimits::new(64, 65_536, 200, 400, 262_144, 524_288, 100_000, 2.0, 64)?,
        };
        Ok(Self { hosts, udp_port, workers, tcp_port, silence, data, seed, trace: trace.to_owned() })
    }
}

impl PlaneConfig {
    pub fn to_io(&self) -> plane_io::Config {
        plane_io::Config {
            hosts: self.hosts.iter().filter_map(|host| host.parse().ok()).collect(),
            udp_port: self.udp_port,
            tcp_port: self.tcp_port,
            workers: self.workers,
            seed: self.seed,
            silence: self.silence.to_core(),
            data: self.data.to_core(),
            trace: self.trace.parse().unwrap_or_default(),
        }
    }
}
