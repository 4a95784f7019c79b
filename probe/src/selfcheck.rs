//! Is it us? Reference targets over IPv4, IPv6 and DNS, on a period and at once after a failure.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use picket_shared::check::CheckSpec;
use picket_shared::outcome::SelfCheck;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::{Over, Reference};

/// Longest self-check on the period.
const PATIENT: Duration = Duration::from_secs(5);
/// Longest self-check after a failure.
const AT_ONCE: Duration = Duration::from_secs(2);
/// A result is shared by all failures that come within this time of its start.
const SHARED: Duration = Duration::from_secs(1);
/// A result from before a failure counts as the bracket's opening if it is younger than this.
const OPENING: Duration = Duration::from_secs(15);

/// What one reference target said: whether it answered, and from which address.
pub type Said = (bool, Option<IpAddr>);
/// Asks one reference target.
pub type Ask = Arc<dyn Fn(CheckSpec, Duration) -> Pin<Box<dyn Future<Output = Said> + Send>> + Send + Sync>;

/// The probe's own network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// All reference targets together.
    pub overall: SelfCheck,
    /// Those over IPv4.
    pub ipv4: SelfCheck,
    /// Those over IPv6.
    pub ipv6: SelfCheck,
    /// Name servers.
    pub dns: SelfCheck,
}

impl Health {
    /// What it says about an outcome at `address`; without one, the look-up was the last that happened.
    pub fn for_address(&self, address: Option<IpAddr>) -> SelfCheck {
        let special = match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(_)) => self.ipv4,
            Some(IpAddr::V6(_)) => self.ipv6,
            None => self.dns,
        };
        if special.is_unverified() { self.overall } else { special }
    }

    /// The worse of both, part by part: a bracket is good only if both its ends are.
    #[must_use]
    pub fn worse(&self, other: &Self) -> Self {
        let worse = |a: SelfCheck, b: SelfCheck| if a == SelfCheck::Bad { a } else { b };
        Self {
            overall: worse(self.overall, other.overall),
            ipv4: worse(self.ipv4, other.ipv4),
            ipv6: worse(self.ipv6, other.ipv6),
            dns: worse(self.dns, other.dns),
        }
    }
}

/// Judges answers: 60 % of the targets asked must have answered; what was not asked is unverified. Pure.
pub fn judge(answers: &[(Over, Said)]) -> Health {
    let share = |which: &dyn Fn(Over, Option<IpAddr>) -> bool| {
        let asked = answers.iter().filter(|(over, (_, address))| which(*over, *address));
        let (good, all) =
            asked.fold((0_usize, 0_usize), |(good, all), (_, (ok, _))| (good + usize::from(*ok), all + 1));
        match all {
            0 => SelfCheck::Unverified,
            _ if good * 10 >= all * 6 => SelfCheck::Good,
            _ => SelfCheck::Bad,
        }
    };
    Health {
        overall: share(&|_, _| true),
        ipv4: share(&|over, address| {
            over == Over::Ipv4 || over == Over::Either && address.is_some_and(|a| a.is_ipv4())
        }),
        ipv6: share(&|over, address| {
            over == Over::Ipv6 || over == Over::Either && address.is_some_and(|a| a.is_ipv6())
        }),
        dns: share(&|over, _| over == Over::Dns),
    }
}

/// Runs the self-checks of one probe.
pub struct SelfChecker {
    references: Vec<Reference>,
    ask: Ask,
    last: Mutex<Option<(Instant, Health)>>,
    turn: tokio::sync::Mutex<()>,
}

impl SelfChecker {
    /// Asks nobody yet.
    pub fn new(references: Vec<Reference>, ask: Ask) -> Self {
        Self { references, ask, last: Mutex::new(None), turn: tokio::sync::Mutex::new(()) }
    }

    /// The last judgement.
    pub fn last(&self) -> Health {
        self.fresh(Duration::MAX).unwrap_or_default()
    }

    /// Asks all reference targets now and then, for ever.
    pub async fn run(&self, period: Duration) {
        if self.references.is_empty() {
            return std::future::pending().await;
        }
        let mut tick = tokio::time::interval(period);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.refresh(PATIENT, SHARED).await;
        }
    }

    /// Closes the bracket around a failure, within 2 s: bad if either this or the last self-check before it was bad.
    pub async fn close(&self) -> Health {
        if self.references.is_empty() {
            return Health::default();
        }
        let opening = self.fresh(OPENING).unwrap_or_default();
        let closing = tokio::time::timeout(AT_ONCE, self.refresh(AT_ONCE, SHARED)).await;
        // Whoever cannot even finish asking in time has no good network.
        let closing = closing.unwrap_or_else(|_| {
            judge(&self.references.iter().map(|reference| (reference.over, (false, None))).collect::<Vec<_>>())
        });
        opening.worse(&closing)
    }

    /// Asks everyone, unless someone else has just done so.
    async fn refresh(&self, limit: Duration, shared: Duration) -> Health {
        let _turn = self.turn.lock().await;
        if let Some(health) = self.fresh(shared) {
            return health;
        }
        let began = Instant::now();
        let mut asking = JoinSet::new();
        for reference in &self.references {
            let (ask, over, spec) = (Arc::clone(&self.ask), reference.over, reference.spec.clone());
            // A tenth less than the limit, so that the answers of all are in by then.
            asking.spawn(async move { (over, ask(spec, limit.mul_f64(0.9)).await) });
        }
        let health = judge(&asking.join_all().await);
        let before = self.last();
        if before.overall != health.overall && health.overall == SelfCheck::Bad {
            tracing::warn!(
                "The probe's own network is bad: its outcomes carry no vote until the reference targets answer again"
            );
        } else if before.overall == SelfCheck::Bad && health.overall == SelfCheck::Good {
            tracing::info!("The probe's own network is good again");
        }
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((began, health));
        health
    }

    fn fresh(&self, age: Duration) -> Option<Health> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(began, _)| began.elapsed() < age).map(|(_, health)| health)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use picket_shared::check::TcpSpec;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    fn references(count: usize) -> Vec<Reference> {
        let spec = CheckSpec::Tcp(TcpSpec { host: "192.0.2.1".to_owned(), port: 1 });
        vec![Reference { over: Over::Ipv4, spec }; count]
    }

    #[test]
    fn sixty_of_a_hundred_are_good_each_family_for_itself() {
        let answers = |good, all| (0..all).map(|n| (Over::Ipv4, (n < good, None))).collect::<Vec<_>>();
        assert_eq!(judge(&answers(3, 5)).ipv4, SelfCheck::Good);
        assert_eq!(judge(&answers(2, 5)).ipv4, SelfCheck::Bad);
        assert_eq!(judge(&[]), Health::default());
        let mut mixed = answers(5, 5);
        mixed.push((Over::Ipv6, (false, None)));
        let health = judge(&mixed);
        assert_eq!((health.overall, health.ipv6, health.dns), (SelfCheck::Good, SelfCheck::Bad, SelfCheck::Unverified));
        assert_eq!(health.for_address(Some("2001:db8::1".parse().unwrap())), SelfCheck::Bad);
        assert_eq!(health.for_address(None), SelfCheck::Good);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_at_once_share_one_self_check_and_a_hanging_one_is_bad_in_two_seconds() {
        let (asked, hangs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, hang) = (Arc::clone(&asked), Arc::clone(&hangs));
        let ask: Ask = Arc::new(move |_, _| {
            count.fetch_add(1, Ordering::SeqCst);
            let hangs = hang.load(Ordering::SeqCst);
            Box::pin(async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                (true, None)
            })
        });
        let checker = SelfChecker::new(references(3), ask);
        let (one, two) = tokio::join!(checker.close(), checker.close());
        assert_eq!((one.overall, two.overall, asked.load(Ordering::SeqCst)), (SelfCheck::Good, SelfCheck::Good, 3));
        hangs.store(true, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(2)).await;
        let began = Instant::now();
        assert_eq!(checker.close().await.overall, SelfCheck::Bad);
        assert_eq!(began.elapsed(), AT_ONCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bracket_that_opened_badly_is_bad() {
        let good = Arc::new(AtomicBool::new(false));
        let answer = Arc::clone(&good);
        let ask: Ask = Arc::new(move |_, _| Box::pin(std::future::ready((answer.load(Ordering::SeqCst), None))));
        let checker = SelfChecker::new(references(1), ask);
        assert_eq!(checker.close().await.overall, SelfCheck::Bad);
        good.store(true, Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(checker.close().await.overall, SelfCheck::Bad);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(checker.close().await.overall, SelfCheck::Good);
    }
}
