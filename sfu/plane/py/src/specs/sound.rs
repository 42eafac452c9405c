//! The spec of how the audio of a room is forwarded.

use plane_core::command as core;
use plane_core::id::{RoomId, TrackId, WORKER_SHIFT};
use pyo3::prelude::*;

use super::checks::{refuse, within};

#[pyclass(frozen, eq, hash, get_all, from_py_object, module = "sfu.plane._native")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AudioPolicy {
    id: u64,
    loudest: usize,
    ranked: Vec<u64>,
    always: Vec<u64>,
    redundancy: u8,
    redundant: Vec<u64>,
}

#[pymethods]
impl AudioPolicy {
    #[new]
    #[pyo3(signature = (*, id, loudest = 0, ranked = vec![], always = vec![], redundancy = 0, redundant = vec![]))]
    fn new(
        id: u64,
        loudest: i64,
        ranked: Vec<u64>,
        always: Vec<u64>,
        redundancy: i64,
        redundant: Vec<u64>,
    ) -> PyResult<Self> {
        for &track in ranked.iter().chain(&redundant) {
            let (own, its) = (id >> WORKER_SHIFT, track >> WORKER_SHIFT);
            if own != its {
                return refuse(format!("room {id} is of worker {own}, its track {track} of worker {its}"));
            }
        }
        if let Some(stray) = always.iter().find(|track| !ranked.contains(track)) {
            return refuse(format!("track {stray} is always forwarded, but not among the ranked ones"));
        }
        let loudest = within("loudest", loudest, 0, 1_000)?;
        let redundancy = within("redundancy", redundancy, 0, plane_core::send::redundancy::MOST_COPIES as i64)?;
        Ok(Self { id, loudest, ranked, always, redundancy, redundant })
    }
}

impl AudioPolicy {
    pub fn into_core(self) -> core::AudioPolicy {
        let tracks = |ids: Vec<u64>| ids.into_iter().map(TrackId).collect();
        core::AudioPolicy {
            room: RoomId(self.id),
            loudest: self.loudest,
            ranked: tracks(self.ranked),
            always: tracks(self.always),
            redundancy: self.redundancy,
            redundant: tracks(self.redundant),
        }
    }
}
