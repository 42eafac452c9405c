//! Converts between core enums and the short strings that Python uses. A string that is not in the list is rejected.

use plane_core::codec::Codec as CoreCodec;
use plane_core::command::{DtlsRole as CoreDtlsRole, Hash as CoreHash, Kind as CoreKind};
use plane_core::event::{Cause as CoreCause, ChannelState, TransportState};
use plane_core::rtp::extension::Extension;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// Defines a wrapper of a core enum with one word per variant, and the conversions in both directions.
macro_rules! words {
    ($name:ident, $core:ident, $what:literal, { $($variant:ident = $word:literal),* $(,)? }) => {
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub $core);

        impl $name {
            pub fn word(self) -> &'static str {
                match self.0 { $($core::$variant => $word),* }
            }
        }

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.word().hash(state);
            }
        }

        impl<'py> FromPyObject<'_, 'py> for $name {
            type Error = PyErr;

            fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
                let word: String = object.extract()?;
                match word.as_str() {
                    $($word => Ok($name($core::$variant)),)*
                    _ => Err(PyValueError::new_err(format!(
                        "{} is {word:?}; it may be {}", $what, [$($word),*].join(", ")
                    ))),
                }
            }
        }

        impl<'py> IntoPyObject<'py> for $name {
            type Target = PyString;
            type Output = Bound<'py, PyString>;
            type Error = std::convert::Infallible;

            fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
                Ok(PyString::intern(py, self.word()))
            }
        }
    };
}

words!(Kind, CoreKind, "kind", { Audio = "audio", Video = "video" });
words!(DtlsRole, CoreDtlsRole, "dtls_role", { Server = "server", Client = "client" });
words!(Hash, CoreHash, "hash", { Sha256 = "sha-256", Sha384 = "sha-384", Sha512 = "sha-512" });
words!(Codec, CoreCodec, "codec", {
    Opus = "opus",
    Red = "red",
    Pcmu = "pcmu",
    Pcma = "pcma",
    Vp8 = "vp8",
    Vp9 = "vp9",
    Av1 = "av1",
    H264 = "h264",
    H265 = "h265",
});
words!(ExtensionName, Extension, "header extension", {
    Mid = "mid",
    Rid = "rid",
    RepairedRid = "repaired_rid",
    AudioLevel = "audio_level",
    TransportCc = "transport_cc",
    AbsSendTime = "abs_send_time",
    DependencyDescriptor = "dependency_descriptor",
    VideoLayersAllocation = "video_layers_allocation",
    PlayoutDelay = "playout_delay",
    AbsCaptureTime = "abs_capture_time",
    ContentType = "content_type",
    ColorSpace = "color_space",
});
words!(TransportWord, TransportState, "state", {
    Connected = "connected",
    Disconnected = "disconnected",
    Failed = "failed",
    Closed = "closed",
});
words!(ChannelWord, ChannelState, "state", { Open = "open", Closed = "closed" });
words!(Cause, CoreCause, "cause", {
    None = "none",
    Paused = "paused",
    Publisher = "publisher",
    WaitingForKeyframe = "waiting_for_keyframe",
    Loss = "loss",
    Encrypted = "encrypted",
});
