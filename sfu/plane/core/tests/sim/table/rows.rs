//! The rows.

use plane_core::time::{Duration, ms};

use super::super::Link;
use super::super::course::{Beside, Change, Course};
use super::super::link::Queue;
use super::super::link::loss::Burst;
use super::super::link::policer::Policer;
use super::super::link::rate::{Rate, Shape};
use super::Row;
use super::bound::{Of, above, below, between};
use super::figure::Figure;
use super::scenario::{Media, Scenario};

const HALF: Duration = ms(25);
const MINUTE: Duration = ms(60_000);
const SHORT: Duration = ms(30_000);
const MEGABIT: f64 = 1_000.0;

/// 50 ms of round trip, and enough rate.
fn far() -> Link {
    Link::lossy(HALF, 0.0)
}

/// 50 ms of round trip, and this rate and queue.
fn slow(kbps: u64, queue: u64) -> Link {
    Link::slow(kbps * 1_000, ms(queue), HALF)
}

fn row(name: impl Into<String>, scenario: Scenario, bounds: Vec<super::Bound>) -> Row {
    Row { name: name.into(), scenario, bounds }
}

/// A camera in three encodings, with this change of the network when the measurement begins.
fn simulcast(time: Duration, changes: Vec<Change>) -> Scenario {
    let mut scenario = Scenario::new(Media::Simulcast, time);
    scenario.course.changes = changes.into_iter().map(|change| (ms(0), change)).collect();
    scenario
}

/// All rows, in the order of the scoreboard.
pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(idle());
    rows.extend(losses());
    rows.extend(paths());
    rows.extend(bottlenecks());
    rows.extend(steps());
    rows.extend(neighbours());
    rows.sort_by(|one, other| one.name.cmp(&other.name));
    rows
}

/// Before media and beside little of it: what probes find.
fn idle() -> Vec<Row> {
    let mut rows = Vec::new();
    for (media, beside) in [(Media::None, "no media"), (Media::Camera(100_000), "100 kbit/s of media")] {
        for kbps in [300, 500, 700, 1_000, 1_200, 3_000, 4_000, 5_000] {
            for round_trip in [0, 160] {
                let link = Link::slow(kbps * 1_000, ms(300), ms(round_trip / 2));
                let (within, least, most) = match round_trip {
                    0 => (6_000, 0.85, 1.10),
                    _ if kbps <= 500 => (12_000, 0.75, 1.15),
                    _ => (8_000, 0.85, 1.10),
                };
                let mut scenario = Scenario::new(media, ms(within + 8_000));
                (scenario.up, scenario.down, scenario.before) = (Link::lossy(link.delay, 0.0), link, ms(0));
                scenario.course.settled = ms(within);
                scenario.course.capacity = kbps as f64 * 1_000.0;
                let of = |share: f64| (kbps as f64 * share).round();
                let bounds = vec![
                    between(Figure::Estimate, Of::Median, of(least), of(most)),
                    between(Figure::Estimate, Of::Most, of(least * 0.9), of(most * 1.1)),
                    below(Figure::Queue, Of::Most, 200.0),
                    below(Figure::Above, Of::All, 1_000.0),
                ];
                rows.push(row(format!("idle: {beside}, {kbps} kbit/s, RTT {round_trip} ms"), scenario, bounds));
            }
        }
    }
    rows
}

/// Packets are lost, and not for the rate.
fn losses() -> Vec<Row> {
    let lossy = |loss| Change::Down(Link { loss, ..far() });
    let burst = |mean_length| Change::Down(Link { burst: Some(Burst { mean_loss: 0.03, mean_length }), ..far() });
    let mut bare = simulcast(SHORT, vec![lossy(0.05)]);
    bare.redundancy = 0;
    let same = || above(Figure::Top, Of::All, 99.9);
    let frozen = |percent| below(Figure::Frozen, Of::All, percent);
    let longest = || below(Figure::LongestFreeze, Of::All, 700.0);
    let carries = || above(Figure::Estimate, Of::Most, 2.5 * MEGABIT);
    vec![
        row(
            "loss: 5 % at random",
            simulcast(SHORT, vec![lossy(0.05)]),
            vec![
                same(),
                frozen(1.0),
                longest(),
                carries(),
                below(Figure::Concealed, Of::All, 1.0),
                below(Figure::Wasted, Of::All, 0.1),
                above(Figure::Media, Of::All, 85.0),
            ],
        ),
        row("loss: 5 % at random, without RED", bare, vec![same(), below(Figure::Concealed, Of::Most, 4.0).short()]),
        row(
            "loss: 10 % at random",
            simulcast(SHORT, vec![lossy(0.10)]),
            vec![same(), frozen(2.0).short(), longest(), carries().short()],
        ),
        row("loss: 3 % in bursts of 5", simulcast(SHORT, vec![burst(5.0)]), vec![same(), frozen(2.0), longest()]),
        row("loss: 3 % in bursts of 10", simulcast(SHORT, vec![burst(10.0)]), vec![same(), frozen(2.0), longest()]),
        row(
            "publisher: 10 % loss of its uplink",
            simulcast(SHORT, vec![Change::PublisherUp(Link { loss: 0.10, ..far() })]),
            vec![carries()],
        ),
    ]
}

/// Paths that reorder, delay or cut.
fn paths() -> Vec<Row> {
    let uneven = Link { jitter: ms(30), in_order: true, reorder: 0.01, ..far() };
    let feedback = Link { loss: 0.1, jitter: ms(30), duplicates: 0.01, ..far() };
    let narrow = Link { mtu: 1_280, headers: 48, ..far() };
    let same = || above(Figure::Top, Of::All, 99.9);
    let mut narrow_path = simulcast(ms(10_000), vec![Change::All(narrow), Change::Down(Link { loss: 0.05, ..narrow })]);
    (narrow_path.up, narrow_path.down) = (narrow, narrow);
    vec![
        row(
            "path: jitter 30 ms, 1 % overtake, to the viewer",
            simulcast(SHORT, vec![Change::Down(uneven)]),
            vec![
                same(),
                below(Figure::Frozen, Of::All, 1.0),
                // Each packet that overtakes makes Chromium request all that it has passed, two frames of this video.
                below(Figure::Wasted, Of::Most, 3.0).short(),
            ],
        ),
        row(
            "path: jitter 30 ms, 1 % overtake, from the publisher",
            simulcast(SHORT, vec![Change::PublisherUp(uneven)]),
            vec![same(), below(Figure::Asked, Of::Most, 3.0)],
        ),
        row(
            "path: feedback with 10 % loss, 30 ms jitter, 1 % duplicates",
            simulcast(SHORT, vec![Change::Up(feedback)]),
            vec![same(), below(Figure::Frozen, Of::All, 0.1), above(Figure::Estimate, Of::Most, 2.5 * MEGABIT)],
        ),
        row("path: MTU 1,280", narrow_path, vec![same(), below(Figure::TooLarge, Of::All, 0.5)]),
    ]
}

/// Links that carry less than the camera has.
fn bottlenecks() -> Vec<Row> {
    let policer = Link { policer: Some(Policer { rate: 1_000_000, bucket: 20_000 }), ..far() };
    let mut policed = Scenario::new(Media::Simulcast, SHORT);
    (policed.down, policed.before, policed.course.settled) = (policer, ms(0), ms(10_000));
    policed.course.capacity = 1_000_000.0;
    let mut standing = Scenario::new(Media::Simulcast, SHORT);
    (standing.down, standing.before, standing.course.queue_from) = (slow(1_000, 1_000), ms(0), ms(3_000));
    standing.course.settled = ms(5_000);
    let mut shallow = Scenario::new(Media::Simulcast, SHORT);
    let link = Link { rate: Rate::Constant(20_000_000), queue: Queue::Packets(20), ..far() };
    (shallow.down, shallow.before, shallow.course.settled) = (link, ms(0), ms(5_000));
    let mut first = Scenario::new(Media::Simulcast, ms(10_000));
    (first.down, first.before) = (slow(3_000, 300), ms(0));
    let mut rows = vec![
        row(
            "bottleneck: policer of 1 Mbit/s, bucket of 20 kB",
            policed,
            vec![
                between(Figure::Estimate, Of::Median, 0.8 * MEGABIT, 1.05 * MEGABIT),
                below(Figure::Dropped, Of::Most, 2.0).short(),
            ],
        ),
        row(
            "bottleneck: 1 Mbit/s, queue of 1 s",
            standing,
            vec![below(Figure::Queue, Of::Most, 100.0).short(), above(Figure::Estimate, Of::Median, 0.7 * MEGABIT)],
        ),
        row(
            "bottleneck: 20 Mbit/s, queue of 20 packets",
            shallow,
            vec![above(Figure::Top, Of::All, 85.0), below(Figure::Dropped, Of::All, 0.02)],
        ),
        row(
            "join: 3 Mbit/s, RTT 50 ms",
            first,
            vec![below(Figure::TopAfter, Of::Most, 2_000.0), below(Figure::Queue, Of::Most, 200.0)],
        ),
    ];
    for kbps in [120, 150] {
        let mut scenario = Scenario::new(Media::Simulcast, SHORT);
        (scenario.down, scenario.before, scenario.course.settled) = (slow(kbps, 300), ms(0), ms(3_000));
        rows.push(row(
            format!("bottleneck: {kbps} kbit/s"),
            scenario,
            vec![
                below(Figure::Estimate, Of::Median, 1.2 * kbps as f64),
                below(Figure::Concealed, Of::Most, 1.0).short(),
            ],
        ));
    }
    rows
}

/// Networks that change.
fn steps() -> Vec<Row> {
    let stepped = |time, from: Link, changes: &[(Duration, Change)], level| {
        let mut scenario = Scenario::new(Media::Simulcast, time);
        scenario.down = from;
        scenario.course = Course { changes: changes.to_vec(), level, ..scenario.course };
        scenario
    };
    let mut rows = Vec::new();
    for (queue, drained) in [(300, 1_200.0), (1_000, 1_800.0)] {
        rows.push(row(
            format!("step: 3 to 0.6 Mbit/s, queue of {queue} ms"),
            stepped(ms(20_000), slow(3_000, queue), &[(ms(2_000), Change::Down(slow(600, queue)))], 0.0),
            vec![
                below(Figure::Drained, Of::Most, drained).short(),
                below(Figure::LongestFreeze, Of::Most, 700.0).short(),
                below(Figure::LongestFreeze, Of::All, 1_200.0).short(),
                below(Figure::Concealed, Of::Most, 1.0).short(),
            ],
        ));
    }
    let up = [(ms(2_000), Change::Down(slow(3_000, 300)))];
    rows.push(row(
        "step: 0.6 to 3 Mbit/s",
        stepped(ms(15_000), slow(600, 300), &up, 2_500_000.0),
        vec![below(Figure::TopAfter, Of::Most, 5_000.0), below(Figure::Risen, Of::Most, 5_000.0).short()],
    ));
    let ramp = Shape::Ramp { from: 3_000_000, to: 700_000, over: ms(40_000) };
    rows.push(row(
        "step: ramp from 3 to 0.7 Mbit/s over 40 s",
        stepped(ms(50_000), slow(3_000, 300), &[(ms(1_000), Change::DownShape(ramp))], 0.0),
        vec![below(Figure::Queue, Of::Most, 50.0).short(), below(Figure::Dropped, Of::Most, 1.0).short()],
    ));
    let triangle = Shape::Triangle { low: 800_000, high: 3_000_000, period: ms(20_000) };
    let bursts = Link { burst: Some(Burst { mean_loss: 0.02, mean_length: 5.0 }), ..slow(3_000, 300) };
    rows.push(row(
        "step: triangle of 0.8 to 3 Mbit/s each 20 s, 2 % burst loss",
        stepped(MINUTE, bursts, &[(ms(0), Change::DownShape(triangle))], 0.0),
        vec![below(Figure::Frozen, Of::Most, 2.0).short()],
    ));
    rows.push(row(
        "step: route change, 0.2 to 0.8 Mbit/s",
        {
            let change = [(ms(2_000), Change::Down(Link::slow(800_000, ms(300), ms(10))))];
            let mut scenario = stepped(ms(12_000), slow(200, 300), &change, 600_000.0);
            scenario.media = Media::Camera(100_000);
            scenario
        },
        vec![below(Figure::Risen, Of::Most, 1_000.0).short()],
    ));
    let outage = Link { loss: 1.0, ..slow(3_000, 300) };
    let gone = [
        (ms(1_000), Change::Down(outage)),
        (ms(1_000), Change::Up(outage)),
        (ms(21_000), Change::Up(slow(3_000, 300))),
        (ms(21_000), Change::Down(slow(3_000, 300))),
    ];
    rows.push(row(
        "step: outage of 20 s",
        stepped(ms(30_000), slow(3_000, 300), &gone, 1_500_000.0),
        vec![below(Figure::Resumed, Of::Most, 2_000.0), below(Figure::Risen, Of::Most, 5_000.0)],
    ));
    let mut uplink = Scenario::new(Media::Simulcast, ms(35_000));
    let uplinks = [(ms(1_000), slow(400, 300)), (ms(16_000), slow(3_000, 300))];
    uplink.course.changes = uplinks.map(|(at, link)| (at, Change::PublisherUp(link))).to_vec();
    rows.push(row(
        "publisher: uplink 3 to 0.4 to 3 Mbit/s",
        uplink,
        vec![
            below(Figure::LongestFreeze, Of::Most, 1_000.0).short(),
            below(Figure::TopAfter, Of::Most, 8_000.0).short(),
        ],
    ));
    rows
}

/// Links with others on them.
fn neighbours() -> Vec<Row> {
    let beside = |link: Link, beside, time| {
        let mut scenario = Scenario::new(Media::Simulcast, time);
        // The link of the viewer alone adds nothing.
        (scenario.down, scenario.before) = (Link::lossy(ms(0), 0.0), ms(5_000));
        scenario.shared = Some((link, beside));
        scenario
    };
    let mut rows = vec![row(
        "beside: two viewers at 2 Mbit/s",
        beside(slow(2_000, 300), Beside::Viewer, SHORT),
        vec![between(Figure::Share, Of::Most, 40.0, 60.0).short()],
    )];
    for queue in [100, 300] {
        rows.push(row(
            format!("beside: a CUBIC flow at 2 Mbit/s, queue of {queue} ms"),
            beside(slow(2_000, queue), Beside::Cubic, MINUTE),
            vec![above(Figure::Share, Of::Most, 15.0), below(Figure::Concealed, Of::Most, 1.0).short()],
        ));
    }
    rows
}
