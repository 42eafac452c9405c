pub mod track;
pub mod encoding;
pub mod nack;
pub mod keyframe;
pub mod arrivals;
pub mod audio_level;
