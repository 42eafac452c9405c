//! Stores values of one type by key, each with its deadlines. The deadlines of a changed value are checked again: no
//! caller needs to arm a timer.

use std::ops::{Index, IndexMut};

use slab::Slab;

use crate::time::Instant;
use crate::timer::{Due, Timer, Timers};

/// A value with deadlines.
pub(super) trait Timed {
    /// Each timer that the value ever uses, with its current deadline.
    fn deadlines(&self) -> impl IntoIterator<Item = (Timer, Option<Instant>)>;
}

/// Reading through `&` changes nothing; a value that is lent through `&mut` counts as changed.
pub(super) struct Arena<T> {
    things: Slab<Thing<T>>,
    /// The keys of changed values, each once.
    changed: Vec<usize>,
    timers: Timers,
    /// How often deadlines were checked.
    #[cfg(test)]
    pub looks: usize,
}

struct Thing<T> {
    value: T,
    is_changed: bool,
}

impl<T: Timed> Arena<T> {
    pub fn insert(&mut self, value: T) -> usize {
        let key = self.things.insert(Thing { value, is_changed: true });
        self.changed.push(key);
        key
    }

    /// # Panics
    /// If there is no such value.
    pub fn remove(&mut self, key: usize) -> T {
        self.timers.clear(key);
        self.things.remove(key).value
    }

    pub fn get(&self, key: usize) -> Option<&T> {
        self.things.get(key).map(|thing| &thing.value)
    }

    pub fn contains(&self, key: usize) -> bool {
        self.things.contains(key)
    }

    pub fn len(&self) -> usize {
        self.things.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.things.iter().map(|(key, thing)| (key, &thing.value))
    }

    /// Lends a value for a change that moves no deadline, or after which [`Arena::arm`] is called anyway.
    pub fn unarmed(&mut self, key: usize) -> &mut T {
        &mut self.things[key].value
    }

    /// Checks the deadlines of a value.
    pub fn arm(&mut self, key: usize) {
        if let Some(thing) = self.things.get_mut(key) {
            thing.is_changed = false;
            #[cfg(test)]
            {
                self.looks += 1;
            }
            self.timers.set(key, thing.value.deadlines());
        }
    }

    /// The earliest deadline.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.arm_changed();
        self.timers.next()
    }

    /// Returns the key of a value with expired deadlines, and which ones.
    pub fn poll_expired(&mut self, now: Instant) -> Option<(usize, Due)> {
        self.arm_changed();
        self.timers.expired(now)
    }

    fn arm_changed(&mut self) {
        while let Some(key) = self.changed.pop() {
            // Otherwise it was armed meanwhile, or is gone.
            if self.things.get(key).is_some_and(|thing| thing.is_changed) {
                self.arm(key);
            }
        }
    }
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self {
            things: Slab::new(),
            changed: Vec::new(),
            timers: Timers::default(),
            #[cfg(test)]
            looks: 0,
        }
    }
}

impl<T> Index<usize> for Arena<T> {
    type Output = T;

    fn index(&self, key: usize) -> &T {
        &self.things[key].value
    }
}

impl<T> IndexMut<usize> for Arena<T> {
    fn index_mut(&mut self, key: usize) -> &mut T {
        let thing = &mut self.things[key];
        if !thing.is_changed {
            thing.is_changed = true;
            self.changed.push(key);
        }
        &mut thing.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ms;

    struct Alarm(Option<Instant>);

    impl Timed for Alarm {
        fn deadlines(&self) -> impl IntoIterator<Item = (Timer, Option<Instant>)> {
            [(Timer::Dtls, self.0)]
        }
    }

    #[test]
    fn what_was_lent_to_be_changed_is_armed_anew() {
        let (mut arena, start) = (Arena::default(), Instant::now());
        let [one, other] = [10, 20].map(|after| arena.insert(Alarm(Some(start + ms(after)))));
        assert_eq!(arena.poll_timeout(), Some(start + ms(10)));
        arena[one].0 = None;
        assert_eq!(arena.poll_timeout(), Some(start + ms(20)));
        arena[other].0 = Some(start + ms(5));
        assert_eq!(arena.poll_expired(start + ms(5)).map(|(key, _)| key), Some(other));
        assert_eq!(arena.poll_timeout(), None, "until it is changed");
    }

    #[test]
    fn what_is_gone_has_no_deadline_and_leaves_none_to_what_takes_its_key() {
        let (mut arena, start) = (Arena::default(), Instant::now());
        let key = arena.insert(Alarm(Some(start)));
        arena[key].0 = Some(start + ms(1));
        arena.remove(key);
        assert_eq!(arena.poll_timeout(), None);
        assert_eq!(arena.insert(Alarm(None)), key);
        assert_eq!(arena.poll_timeout(), None);
    }
}
