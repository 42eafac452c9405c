//! Replays the inputs of the stateful fuzz target, and scripts of random octets: see `script/mod.rs`.

mod inputs;
mod script;
mod sim;

#[test]
fn no_script_that_broke_the_plane_once_does_again() {
    for (path, octets) in inputs::named("plane") {
        println!("{}", path.display());
        script::run(&octets);
    }
}

#[test]
fn no_script_that_fuzzing_has_kept_panics_or_leaves_anything_behind() {
    for (number, octets) in inputs::kept("plane").iter().enumerate() {
        println!("the input with number {number}");
        script::run(octets);
    }
}

#[test]
fn nor_does_one_of_random_octets() {
    for seed in 0..64_u64 {
        let mut state = seed;
        let octets = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        println!("seed {seed}");
        script::run(&octets.take(2_000).collect::<Vec<u8>>());
    }
}
