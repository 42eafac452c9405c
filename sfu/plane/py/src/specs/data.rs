//! The specs of data channels and their groups.

use plane_core::command as core;
use plane_core::id::{ChannelId, GroupId, TransportId, WORKER_SHIFT};
use pyo3::prelude::*;

use super::checks::{beside, not_empty, refuse, within};

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChannelSpec {
    id: u64,
    transport: Option<u64>,
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
        transport: Option<u64>,
        label: String,
        protocol: &str,
        ordered: bool,
        retransmits: Option<i64>,
        lifetime: Option<i64>,
        remote: bool,
    ) -> PyResult<Self> {
        if let Some(transport) = transport {
            beside("channel", id, transport)?;
        }
        // The length field of each has two octets (RFC 8832 s5.1).
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
            transport: self.transport.map(TransportId),
            label: self.label,
            protocol: self.protocol,
            ordered: self.ordered,
            reliability,
            remote: self.remote,
        }
    }
}

/// Checks the arguments of `join_group` and makes its command.
pub fn membership(group: u64, channel: u64, name: String, may_send: bool) -> PyResult<core::Command> {
    let (own, its) = (channel >> WORKER_SHIFT, group >> WORKER_SHIFT);
    if own != its {
        return refuse(format!("channel {channel} is of worker {own}, its group {group} of worker {its}"));
    }
    // Its length field in the envelope has one octet.
    not_empty("the name of a member", &name, 255)?;
    let member = core::Member { name, may_send };
    Ok(core::Command::JoinGroup { group: GroupId(group), channel: ChannelId(channel), member })
}
