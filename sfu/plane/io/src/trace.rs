//! The events of `tracing` as lines for the application's log. Each worker has its own subscriber, and none unless the
//! application asks for events.
//!
//! Peers cause events, so their lines are limited: per worker and target [`LINES_PER_SECOND`], and all that wait in the
//! mailbox by [`LINES_WAITING`]. Lines beyond are dropped and counted.

use std::io;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plane_core::limits::{TRACE_LINES_PER_SECOND as LINES_PER_SECOND, TRACE_LINES_WAITING as LINES_WAITING};
use plane_core::trace::{PREFIX, TARGETS};
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber, dispatcher};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Filter, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::mailbox::Outbox;

/// The events that the application requests: the most verbose level of each target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace(Targets);

impl Trace {
    /// True if there are none.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for Trace {
    type Err = String;

    /// Reads `LEVEL`, `TARGET` or `TARGET=LEVEL`, several separated by commas; a later part overrides an earlier one. A
    /// target alone means all its events.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut targets = Targets::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, level) = match part.split_once('=') {
                Some((name, level)) => (Some(name.trim()), Some(level.trim())),
                None if level(part).is_some() => (None, Some(part)),
                None => (Some(part), None),
            };
            let known = |target: &&&str| name.is_none_or(|name| target.strip_prefix(PREFIX) == Some(name));
            let named: Vec<_> = TARGETS.iter().filter(known).collect();
            let level = level.map_or(Some(LevelFilter::TRACE), self::level);
            let (false, Some(level)) = (named.is_empty(), level) else {
                let known: Vec<_> = TARGETS.iter().filter_map(|target| target.strip_prefix(PREFIX)).collect();
                return Err(format!(
                    "needs 'level' or 'target=level', several separated by commas, not {part:?}; levels are off, info, \
                     debug and trace, targets are {}",
                    known.join(", ")
                ));
            };
            targets = targets.with_targets(named.into_iter().map(|&target| (target, level)));
        }
        Ok(Self(targets))
    }
}

fn level(text: &str) -> Option<LevelFilter> {
    match text {
        "off" => Some(LevelFilter::OFF),
        "info" => Some(LevelFilter::INFO),
        "debug" => Some(LevelFilter::DEBUG),
        "trace" => Some(LevelFilter::TRACE),
        _ => None,
    }
}

/// One event, for the application's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub level: Level,
    /// Without the prefix that all targets have.
    pub target: &'static str,
    /// The spans around the event, its message and its fields.
    pub text: String,
}

/// Runs `work` with a subscriber of the requested events, whose lines go to the outbox.
pub fn with<R>(trace: &Trace, index: usize, outbox: &Arc<Outbox>, work: impl FnOnce() -> R) -> R {
    if trace.is_off() {
        return work();
    }
    dispatcher::with_default(&dispatch(trace, outbox), || {
        let _worker = tracing::info_span!(target: plane_core::trace::TRANSPORT, "worker", index).entered();
        work()
    })
}

fn dispatch(trace: &Trace, outbox: &Arc<Outbox>) -> Dispatch {
    let filter = Asked { targets: trace.0.clone(), buckets: Mutex::default(), outbox: Arc::clone(outbox) };
    let layer = tracing_subscriber::fmt::layer()
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_ansi(false)
        .with_writer(Lines(Arc::clone(outbox)));
    Dispatch::new(tracing_subscriber::registry().with(layer.with_filter(filter)))
}

/// Passes the requested events within their limit.
struct Asked {
    targets: Targets,
    buckets: Mutex<Vec<(&'static str, Bucket)>>,
    outbox: Arc<Outbox>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Filter<S> for Asked {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        let is_ours = TARGETS.contains(&metadata.target());
        // Spans of any target, because each says where an event of another comes from.
        is_ours && (metadata.is_span() || self.targets.would_enable(metadata.target(), metadata.level()))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.targets.iter().map(|(_, level)| level).max()
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let Some(target) = TARGETS.iter().find(|&&target| target == event.metadata().target()) else { return false };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passes = match buckets.iter_mut().find(|(of, _)| of == target) {
            Some((_, bucket)) => bucket.take(now),
            None => {
                buckets.push((target, Bucket::new(now)));
                true
            }
        };
        drop(buckets);
        if !passes {
            self.outbox.drop_line();
        }
        passes
    }
}

/// A token bucket of one second's lines.
struct Bucket {
    left: u32,
    filled: Instant,
}

impl Bucket {
    fn new(now: Instant) -> Self {
        Self { left: LINES_PER_SECOND - 1, filled: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.filled) >= Duration::from_secs(1) {
            (self.left, self.filled) = (LINES_PER_SECOND, now);
        }
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

struct Lines(Arc<Outbox>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Writer<'a>;

    fn make_writer(&'a self) -> Writer<'a> {
        Writer { outbox: &self.0, level: Level::ERROR, target: "" }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Writer<'a> {
        let target = TARGETS.iter().find(|&&target| target == metadata.target());
        let target = target.and_then(|target| target.strip_prefix(PREFIX)).unwrap_or_default();
        Writer { outbox: &self.0, level: *metadata.level(), target }
    }
}

struct Writer<'a> {
    outbox: &'a Outbox,
    level: Level,
    target: &'static str,
}

impl io::Write for Writer<'_> {
    /// Takes a whole line: the formatter writes each with one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        self.outbox.push_line(Line { level: self.level, target: self.target, text }, LINES_WAITING);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::News;
    use plane_core::trace;

    /// Returns the lines of `work`, and the number of dropped ones.
    fn lines(asked: &str, work: impl FnOnce()) -> (Vec<String>, u64) {
        let outbox = Arc::new(Outbox::new(1).expect("an eventfd"));
        with(&asked.parse().expect("it is asked rightly"), 3, &outbox, work);
        let (mut lines, mut dropped) = (Vec::new(), 0);
        for news in outbox.take().0 {
            match news {
                News::Trace(line) => lines.push(format!("{} {} {}", line.level, line.target, line.text)),
                News::TraceDropped(count) => dropped += count,
                other => panic!("{other:?}"),
            }
        }
        (lines, dropped)
    }

    fn decide() {
        tracing::info!(target: trace::ICE, transport = 7, "path nominated");
        let _span = tracing::debug_span!(target: trace::COMMANDS, "command", name = "set_source").entered();
        tracing::debug!(target: trace::LAYERS, slot = 5, "switched");
        tracing::error!(target: "another::library", "not ours");
    }

    #[test]
    fn only_the_asked_events_become_lines_with_the_spans_around_them() {
        let ice = "INFO ice worker{index=3}: path nominated transport=7";
        for (asked, expected) in [
            ("debug", vec![ice, "DEBUG layers worker{index=3}:command{name=\"set_source\"}: switched slot=5"]),
            ("info", vec![ice]),
            (" ice , transport", vec![ice]),
            ("debug,layers=off", vec![ice]),
            ("layers=debug", vec!["DEBUG layers worker{index=3}:command{name=\"set_source\"}: switched slot=5"]),
            ("off", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(lines(asked, decide).0, expected, "{asked}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_a_sentence() {
        for wrong in ["loud", "ice=loud", "lice=debug", "=debug", "ice=", "plane::ice"] {
            let sentence = wrong.parse::<Trace>().expect_err(wrong);
            assert!(sentence.contains(&format!("not {wrong:?}")) && sentence.contains("transport, ice"), "{sentence}");
        }
    }

    #[test]
    fn lines_that_peers_cause_are_limited_and_the_dropped_ones_counted() {
        let flood = || {
            for seq in 0..100_000 {
                tracing::debug!(target: trace::DISCARDS, seq, "discarded");
            }
            tracing::info!(target: trace::ICE, "path nominated");
        };
        let (lines, dropped) = lines("debug", flood);
        assert_eq!(lines.len() as u64 + dropped, 100_001);
        assert!(lines.len() <= LINES_WAITING && dropped > 90_000, "{} lines", lines.len());
        assert!(lines.iter().any(|line| line.starts_with("INFO ice")), "another target has its own limit");
    }
}
