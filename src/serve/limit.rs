//! How often one caller may ask.
//!
//! Each caller has a budget that refills steadily (GCRA). Invariant: memory follows the callers of the last seconds:
//! whoever has a full budget again is forgotten.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::settings::Rate;

/// Whose budget a request spends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// Of a key, by its name.
    Key(Arc<str>),
    /// Of an address; one of IPv6 stands for its network of 64 bits, which one host can use whole.
    Address(IpAddr),
    /// Of whoever asks without a connection.
    Unknown,
}

impl Caller {
    /// The caller at that address.
    pub fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::Unknown,
            Some(IpAddr::V6(address)) => {
                let network = u128::from(address) & (u128::MAX << 64);
                Self::Address(IpAddr::V6(Ipv6Addr::from(network)))
            }
            Some(address) => Self::Address(address),
        }
    }
}

/// The budgets of all callers; none when there is no limit.
pub(super) struct Limiter(Option<DefaultKeyedRateLimiter<Caller>>);

impl Limiter {
    pub fn new(rate: Option<Rate>) -> Self {
        let quota = |rate: Rate| {
            let quota = Quota::with_period(Duration::from_secs_f64(1.0 / rate.per_second))?;
            Some(quota.allow_burst(NonZeroU32::new(rate.burst)?))
        };
        Self(rate.and_then(quota).map(RateLimiter::keyed))
    }

    /// Spends one request, or says in how many seconds there is one to spend.
    pub fn check(&self, caller: Caller) -> Result<(), u64> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        limiter.check_key(&caller).map_err(|until| {
            let wait = until.wait_time_from(limiter.clock().now());
            (wait.as_secs_f64().ceil() as u64).max(1)
        })
    }

    /// Forgets the callers whose budgets are full again.
    pub fn upkeep(&self) {
        if let Some(limiter) = &self.0 {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_its_own_budget() {
        let limiter = Limiter::new(Some(Rate { per_second: 0.01, burst: 3 }));
        let ward = || Caller::Key("ward".into());
        assert_eq!([(); 4].map(|()| limiter.check(ward()).is_ok()), [true, true, true, false]);
        let wait = limiter.check(ward()).expect_err("spent");
        assert!((90..=100).contains(&wait), "{wait}");
        assert!(limiter.check(Caller::Key("lab".into())).is_ok());
        limiter.upkeep();
        assert!(limiter.check(ward()).is_err(), "a spent budget is not forgotten");
    }

    #[test]
    fn without_a_limit_all_may() {
        let limiter = Limiter::new(None);
        assert!((0..1000).all(|_| limiter.check(Caller::Unknown).is_ok()));
    }

    #[test]
    fn callers_who_have_a_full_budget_are_forgotten() {
        let limiter = Limiter::new(Some(Rate { per_second: 1e6, burst: 1 }));
        for number in 0..1000 {
            assert!(limiter.check(Caller::Address(IpAddr::from([10, 0, (number / 256) as u8, number as u8]))).is_ok());
        }
        std::thread::sleep(Duration::from_millis(50));
        limiter.upkeep();
        assert_eq!(limiter.0.as_ref().map(RateLimiter::len), Some(0));
    }

    #[test]
    fn a_network_of_addresses_is_one_caller() {
        let caller = |text: &str| Caller::of(Some(text.parse().expect("an address")));
        assert_eq!(caller("2001:db8::1"), caller("2001:db8::ffff:1"));
        assert_ne!(caller("2001:db8::1"), caller("2001:db8:0:1::1"));
        assert_eq!(caller("::ffff:10.0.0.1"), caller("10.0.0.1"));
        assert_ne!(caller("10.0.0.1"), caller("10.0.0.2"));
    }
}
