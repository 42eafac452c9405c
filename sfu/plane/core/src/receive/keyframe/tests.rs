//! The times of keyframe requests, and what is learned from the publisher's answers.

use super::*;
use proptest::prelude::*;

const ROUND_TRIP: Duration = ms(50);
const NEVER: (u64, u64) = (u64::MAX, 0);

fn asks(requests: &mut KeyframeRequests, now: Instant) -> bool {
    requests.poll(now, Some(now)) == Some(Due::Request)
}

/// The times of requests in the first `most` ms to a publisher with periodic keyframes that ignores requests.
fn asked(requests: &mut KeyframeRequests, start: Instant, most: u64, (period, phase): (u64, u64)) -> Vec<u64> {
    let ask = |&at: &u64| {
        if (at + phase) % period == period - 1 {
            requests.handle_keyframe(start + ms(at));
        }
        asks(requests, start + ms(at))
    };
    (0..most).filter(ask).collect()
}

#[test]
fn while_another_encoding_is_asked_for_none_is_and_its_keyframe_serves_as_well() {
    let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
    requests.defer(now);
    requests.request(now + ms(100));
    assert!(!asks(&mut requests, now + ms(299)));
    assert!(asks(&mut requests, now + ms(300)), "the keyframe that came with the other's was before the wish");

    // Unanswered, it is about to be repeated.
    assert_eq!(requests.poll(now + ms(900), Some(now + ms(900))), Some(Due::Ignored));
    requests.defer(now + ms(1_200));
    assert!(!asks(&mut requests, now + ms(1_499)));
    assert!(asks(&mut requests, now + ms(1_500)));

    let mut requests = KeyframeRequests::new();
    requests.request(now);
    requests.defer(now);
    requests.handle_keyframe(now);
    assert!(!asks(&mut requests, now + ms(300)));
}

#[test]
fn many_wishes_become_one_request() {
    let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
    (0..50).for_each(|_| requests.request(now));
    assert!(asks(&mut requests, now));
    (1..900).for_each(|at| {
        requests.request(now + ms(at));
        assert!(!asks(&mut requests, now + ms(at)));
    });
}

#[test]
fn an_unanswered_request_is_repeated_each_second_and_not_for_ever() {
    let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
    requests.request(now);
    // Nothing arrives: it is paused, not deaf.
    let times: Vec<u64> = (0..20_000).filter(|&at| requests.poll(now + ms(at), None) == Some(Due::Request)).collect();
    assert_eq!(times, [0, 1_000, 2_000, 3_000, 4_000]);
    assert_eq!((requests.sequence(), requests.poll_timeout(), requests.is_deaf()), (1, None, false));
}

#[test]
fn a_wish_after_the_keyframe_waits_for_the_interval() {
    let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
    requests.request(now);
    assert!(asks(&mut requests, now));
    requests.handle_keyframe(now + ms(40));
    assert_eq!(requests.poll_timeout(), None);
    requests.request(now + ms(50));
    assert_eq!(requests.poll_timeout(), Some(now + INTERVAL));
    assert!(!asks(&mut requests, now + ms(299)));
    assert!(asks(&mut requests, now + ms(300)));
    assert_eq!(requests.sequence(), 2);
}

#[test]
fn a_keyframe_that_comes_by_itself_answers_a_wish_that_waits_and_those_soon_after_it() {
    let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
    requests.request(now);
    assert!(asks(&mut requests, now));
    requests.handle_keyframe(now);
    requests.request(now + ms(50));
    requests.handle_keyframe(now + ms(290));
    assert!(!asks(&mut requests, now + ms(5_000)));

    let mut requests = KeyframeRequests::new();
    requests.handle_keyframe(now);
    requests.request(now + ms(20));
    assert_eq!(requests.poll_timeout(), Some(now + SETTLING));
}

#[test]
fn wishes_that_never_end_are_served_by_three_keyframes_a_second() {
    let (mut requests, now) = (KeyframeRequests::new(), Instant::now());
    let mut asked = Vec::new();
    for at in 0..2_000 {
        requests.request(now + ms(at));
        if asks(&mut requests, now + ms(at)) {
            asked.push(at);
        }
        if asked.last().is_some_and(|last| last + 40 == at) {
            requests.handle_keyframe(now + ms(at));
        }
    }
    assert_eq!(asked, [0, 300, 600, 1_500, 1_800]);
}

#[test]
fn a_raised_encoding_is_asked_for_only_if_it_does_not_begin_with_a_keyframe() {
    let now = Instant::now();
    let raised = || {
        let mut requests = KeyframeRequests::new();
        requests.request_raised(now, ROUND_TRIP);
        requests.request(now + ms(10));
        requests
    };
    let mut none_comes = raised();
    assert_eq!(none_comes.poll_timeout(), Some(now + ROUND_TRIP + ms(100)));
    assert!(asks(&mut none_comes, now + ms(150)));

    let mut comes = raised();
    comes.handle_start(now + ms(80));
    comes.handle_keyframe(now + ms(80));
    assert_eq!(comes.poll_timeout(), None);

    // Browsers probe with padding first.
    let mut late = raised();
    late.handle_start(now + ms(140));
    assert!(!asks(&mut late, now + ms(239)));
    late.handle_keyframe(now + ms(239));
    assert_eq!(late.poll_timeout(), None);
}

#[test]
fn a_publisher_that_ignores_requests_is_found_out_at_whatever_pace_its_keyframes_come() {
    for period in [2_500, 4_000, 7_000, 10_000] {
        let (mut requests, start) = (KeyframeRequests::new(), Instant::now());
        let mut asked_for = 0;
        let mut round = 0;
        while !requests.is_deaf() {
            round += 1;
            assert!(round <= 8, "a keyframe each {period} ms");
            // A viewer joins at a different phase each time.
            let at = start + ms(period * 10 * round);
            requests.request(at);
            asked_for += asked(&mut requests, at, period * 2, (period, round * 377)).len();
        }
        assert!(asked_for <= 30, "{asked_for} requests");
    }
}

#[test]
fn a_deaf_publisher_is_asked_once_per_wish_and_may_prove_that_it_hears() {
    let (mut requests, mut now) = (KeyframeRequests::new(), Instant::now());
    requests.request(now);
    asked(&mut requests, now, 20_000, NEVER);
    assert!(requests.is_deaf());
    let mut answered = 0_u64;
    while requests.is_deaf() {
        now += ms(20_000 + 3_000 * answered);
        requests.request(now);
        assert_eq!(requests.poll(now, Some(now)), Some(Due::Request));
        requests.handle_keyframe(now + ms(60));
        answered += 1;
    }
    assert_eq!(answered, 2);
    assert!(!requests.surely_answers());
    now += ms(20_000);
    requests.deaf = true;
    requests.request(now);
    assert_eq!(asked(&mut requests, now, 20_000, NEVER), [0]);
}

#[test]
fn one_lost_request_makes_nobody_deaf() {
    let (mut requests, mut now) = (KeyframeRequests::new(), Instant::now());
    for n in 0..100 {
        now += ms(5_000);
        requests.request(now);
        assert!(asks(&mut requests, now));
        if n % 3 == 0 {
            assert_eq!(requests.poll(now + PATIENCE, Some(now + PATIENCE)), Some(Due::Ignored));
            assert!(asks(&mut requests, now + RETRY));
            requests.handle_keyframe(now + RETRY + ms(60));
        } else {
            requests.handle_keyframe(now + ms(60));
        }
        assert!(!requests.is_deaf());
    }
}

#[test]
fn how_soon_a_keyframe_comes_is_learned() {
    let (mut requests, start) = (KeyframeRequests::new(), Instant::now());
    assert_eq!(requests.time_to_keyframe(start, ROUND_TRIP), Some(ms(110)));
    requests.request(start);
    assert!(asks(&mut requests, start));
    assert_eq!(requests.time_to_keyframe(start + ms(30), ROUND_TRIP), Some(ms(80)));
    requests.handle_keyframe(start + ms(200));
    // A request now would wait until 350 ms.
    assert_eq!(requests.time_to_keyframe(start + ms(250), ROUND_TRIP), Some(ms(100 + 200)));
    assert_eq!(requests.time_to_keyframe(start + ms(9_000), ROUND_TRIP), Some(ms(200)));
}

#[test]
fn the_next_keyframe_of_a_deaf_publisher_is_expected_at_its_own_pace() {
    let (mut requests, start) = (KeyframeRequests::new(), Instant::now());
    requests.request(start);
    asked(&mut requests, start, 20_000, NEVER);
    let at = |at| start + ms(at);
    assert_eq!(requests.time_to_keyframe(at(20_000), ROUND_TRIP), None);
    requests.handle_keyframe(at(21_000));
    assert_eq!(requests.time_to_keyframe(at(22_000), ROUND_TRIP), None);
    requests.handle_keyframe(at(25_000));
    assert_eq!(requests.time_to_keyframe(at(26_000), ROUND_TRIP), Some(ms(3_000)));
    assert_eq!(requests.time_to_keyframe(at(29_500), ROUND_TRIP), None, "it has another pace now");
}

#[test]
fn a_keyframe_that_was_due_anyway_does_not_prove_that_a_deaf_publisher_hears() {
    let (mut requests, start) = (KeyframeRequests::new(), Instant::now());
    requests.request(start);
    asked(&mut requests, start, 20_000, NEVER);
    for n in 0..10 {
        let due = start + ms(30_000 + 4_000 * n);
        // A viewer that joins shortly before waits for it, once the period is known.
        if n >= 2 {
            requests.request(due - ms(400));
        }
        requests.poll(due - ms(400), Some(due - ms(400)));
        requests.handle_keyframe(due);
    }
    assert!(requests.is_deaf());
}

proptest! {
    #[test]
    fn requests_keep_their_distance_and_no_wish_is_forgotten(
        steps in prop::collection::vec((0_u64..400, any::<bool>()), 1..200),
    ) {
        let (mut requests, start) = (KeyframeRequests::new(), Instant::now());
        let (mut at, mut last, mut wished) = (0, None, None::<u64>);
        for (wait, keyframe) in steps {
            for _ in 0..wait {
                at += 1;
                if asks(&mut requests, start + ms(at)) {
                    prop_assert!(last.is_none_or(|last| at - last >= 300));
                    last = Some(at);
                }
                if let Some(wished) = wished.filter(|_| !requests.is_deaf()) {
                    prop_assert!(last.is_some_and(|last| last + 1_000 >= at) || wished + 1_500 >= at);
                }
            }
            if keyframe {
                requests.handle_keyframe(start + ms(at));
                wished = None;
            } else {
                requests.request(start + ms(at));
                wished = Some(at);
            }
        }
    }
}
