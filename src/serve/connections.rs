//! How many connections are open, and which one goes when there are too many.
//!
//! Idle connections cost their opener nothing, so they must not keep others out: when all places are taken, the
//! connection that has been without a request longest is closed. Only when every one has a request under way is a new
//! one turned away. Invariant: there are never more than `limit`, and a request under way is never cut here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// In place of the time since when a connection is idle.
const BUSY: u64 = u64::MAX;

/// The open connections.
pub(super) struct Connections {
    limit: usize,
    begun: Instant,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    next: u64,
    slots: BTreeMap<u64, Arc<Slot>>,
}

struct Slot {
    /// Microseconds since the start of the service at which it fell idle, or [`BUSY`].
    idle_since: AtomicU64,
    leave: Notify,
}

/// Whether a connection got a place.
pub(super) enum Place {
    /// There was room.
    Free(Admitted),
    /// Another connection was closed for it.
    Taken(Admitted),
    /// Every other one is busy.
    None,
}

/// The place of one connection, given back when dropped.
pub(super) struct Admitted {
    home: Arc<Connections>,
    id: u64,
    slot: Arc<Slot>,
}

/// A request under way on a connection.
pub(super) struct Busy {
    home: Arc<Connections>,
    slot: Arc<Slot>,
}

impl Connections {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, begun: Instant::now(), open: Mutex::default() })
    }

    /// Finds a place for a new connection.
    pub fn admit(self: &Arc<Self>) -> Place {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let full = open.slots.len() >= self.limit;
        if full {
            let idle = |(id, slot): (&u64, &Arc<Slot>)| Some((slot.idle_since.load(Ordering::Relaxed), *id));
            let longest = open.slots.iter().filter_map(idle).filter(|(since, _)| *since != BUSY).min();
            let Some(slot) = longest.and_then(|(_, id)| open.slots.remove(&id)) else { return Place::None };
            slot.leave.notify_one();
        }
        let slot = Arc::new(Slot { idle_since: AtomicU64::new(self.now()), leave: Notify::new() });
        let id = open.next;
        open.next += 1;
        open.slots.insert(id, slot.clone());
        drop(open);
        let admitted = Admitted { home: self.clone(), id, slot };
        if full { Place::Taken(admitted) } else { Place::Free(admitted) }
    }

    /// How many have a request under way.
    #[cfg(test)]
    pub fn busy(&self) -> usize {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.slots.values().filter(|slot| slot.idle_since.load(Ordering::Relaxed) == BUSY).count()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(BUSY - 1)
    }
}

impl Admitted {
    /// Ends when the connection must make room.
    pub async fn leave(&self) {
        self.slot.leave.notified().await;
    }

    /// Keeps the connection for as long as the returned value lives.
    pub fn busy(&self) -> Busy {
        self.slot.idle_since.store(BUSY, Ordering::Relaxed);
        Busy { home: self.home.clone(), slot: self.slot.clone() }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.home.open.lock().unwrap_or_else(PoisonError::into_inner).slots.remove(&self.id);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.slot.idle_since.store(self.home.now(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(connections: &Arc<Connections>) -> (Admitted, bool) {
        match connections.admit() {
            Place::Free(admitted) => (admitted, false),
            Place::Taken(admitted) => (admitted, true),
            Place::None => panic!("no place"),
        }
    }

    async fn has_to_leave(admitted: &Admitted) -> bool {
        tokio::time::timeout(std::time::Duration::from_millis(20), admitted.leave()).await.is_ok()
    }

    fn wait_a_moment() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }

    #[tokio::test]
    async fn the_longest_idle_connection_makes_room() {
        let connections = Connections::new(3);
        let (first, _) = admitted(&connections);
        wait_a_moment();
        let (second, _) = admitted(&connections);
        wait_a_moment();
        let (third, taken) = admitted(&connections);
        assert!(!taken);
        wait_a_moment();
        // A request makes the first one the latest to fall idle.
        drop(first.busy());
        let (_fourth, taken) = admitted(&connections);
        assert!(taken && has_to_leave(&second).await);
        assert!(!has_to_leave(&first).await && !has_to_leave(&third).await);
        assert_eq!(connections.open.lock().expect("no panic").slots.len(), 3);
    }

    #[tokio::test]
    async fn a_request_under_way_is_never_cut() {
        let connections = Connections::new(2);
        let (first, _) = admitted(&connections);
        let (second, _) = admitted(&connections);
        let (busy, also) = (first.busy(), second.busy());
        assert!(matches!(connections.admit(), Place::None));
        drop(also);
        assert!(admitted(&connections).1 && has_to_leave(&second).await);
        assert!(!has_to_leave(&first).await);
        drop(busy);
    }

    #[test]
    fn a_closed_connection_gives_its_place_back() {
        let connections = Connections::new(1);
        for _ in 0..10 {
            assert!(!admitted(&connections).1);
        }
    }
}
