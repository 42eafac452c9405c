//! Two connected participants, for tests of the inside of a plane.

use std::sync::Arc;

use super::Plane;
use crate::command::{Command, DtlsRole, IceCredentials, Path, TransportSpec};
use crate::config::{Config, DataLimits, Silence};
use crate::dtls::Identity;
use crate::event::TransportState;
use crate::id::TransportId;
use crate::srtp::{Inbound, Keys, Master, Outbound, Profile};
use crate::time::{Instant, Ntp, WallClock};
use crate::transport::Srtp;

/// The keys of all participants, in both directions.
pub fn keys() -> Keys {
    let master = Master { key: vec![7; 16], salt: vec![9; 12] };
    Keys { profile: Profile::Aes128Gcm, local: master.clone(), remote: master }
}

/// The path of the transport with this id.
pub fn path(peer: u64) -> Path {
    Path::udp(([127, 0, 0, 1], 7882).into(), ([192, 0, 2, 1], 4_000 + peer as u16).into())
}

/// A plane with two connected participants, and their arena keys.
pub fn plane(now: Instant) -> (Plane, [usize; 2]) {
    let mut plane = Plane::new(Config {
        seed: 1,
        identity: Arc::new(Identity::generate().expect("a certificate can be made")),
        wall_clock: WallClock { at: now, ntp: Ntp(1 << 40) },
        worker: 0,
        silence: Silence::default(),
        data: DataLimits::default(),
    });
    let peers = [1, 2].map(|peer| {
        let ice = IceCredentials {
            local_ufrag: format!("ours{peer}"),
            local_pwd: "our-password-long-enough".into(),
            remote_ufrag: "peer".into(),
            remote_pwd: "the-password-of-the-peer".into(),
        };
        let id = TransportId(peer);
        let (dtls_role, cname) = (DtlsRole::Server, String::new());
        plane.apply(Command::AddTransport(TransportSpec { id, ice, dtls_role, fingerprints: vec![], cname }), now);
        let key = plane.transport(id).expect("just added");
        let transport = &mut plane.transports[key];
        transport.srtp = Some(Srtp { inbound: Inbound::new(&keys()), outbound: Outbound::new(&keys()) });
        let paths = transport.agent.paths_mut();
        paths.checked(path(peer), 0, now);
        paths.want(path(peer), now);
        paths.prove(&path(peer), now);
        transport.sending.consent();
        transport.enter(TransportState::Connected, "for the test");
        plane.by_path.insert(path(peer), key);
        key
    });
    (plane, peers)
}
