//! Which calls fail, and how.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chksweep_core::Location;

use crate::call::Call;
use crate::error::ErrorKind;

/// What happens to a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It fails and has no effect.
    Fail(ErrorKind),
    /// It takes effect, and its answer is lost: the caller gets this error.
    Lose(ErrorKind),
    /// It never returns and has no effect.
    Hang,
    /// It takes effect and never returns.
    HangAfter,
    /// It begins after this time.
    Delay(Duration),
    /// A listing ends with this error after so many entries; a write or append after so many bytes, which stay.
    /// Any other call just fails.
    Cut(u64, ErrorKind),
    /// Something else happens right before it.
    Before(Hook),
    /// Something else happens right after it.
    After(Hook),
}

/// What a test does in the middle of things.
#[derive(Clone)]
pub struct Hook(Arc<dyn Fn() + Send + Sync>);

impl Hook {
    /// Wraps a function.
    pub fn new(function: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    pub(super) fn call(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

/// Which calls a fault strikes: of those that match, the n-th (the first unless told), and so many from there on
/// (one unless told).
#[derive(Clone, Debug)]
pub struct Rule {
    which: Which,
    path: Option<Location>,
    first: u64,
    times: u64,
    seen: u64,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Any,
    Changes,
    One(Call),
}

impl Rule {
    /// Strikes any call.
    pub fn any(fault: Fault) -> Self {
        Self { which: Which::Any, path: None, first: 1, times: 1, seen: 0, fault }
    }

    /// Strikes any call that changes the store.
    pub fn change(fault: Fault) -> Self {
        Self { which: Which::Changes, ..Self::any(fault) }
    }

    /// Strikes calls of one kind.
    pub fn on(call: Call, fault: Fault) -> Self {
        Self { which: Which::One(call), ..Self::any(fault) }
    }

    /// Strikes only calls to this path; for a rename, that is where it moves from.
    #[must_use]
    pub fn at(mut self, path: &Location) -> Self {
        self.path = Some(path.clone());
        self
    }

    /// Strikes from the n-th matching call on; the first has the number 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.first = n;
        self
    }

    /// Strikes so many matching calls in a row.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Strikes every matching call from then on.
    #[must_use]
    pub fn forever(self) -> Self {
        self.times(u64::MAX)
    }

    pub(super) fn fault(&self) -> Fault {
        self.fault.clone()
    }

    /// Counts a call, and returns whether this rule strikes it.
    pub(super) fn matches(&mut self, call: Call, path: &Location) -> bool {
        let is_meant = match self.which {
            Which::Any => true,
            Which::Changes => call.is_change(),
            Which::One(one) => one == call,
        };
        if !is_meant || self.path.as_ref().is_some_and(|at| at != path) {
            return false;
        }
        self.seen += 1;
        self.seen >= self.first && self.seen - self.first < self.times
    }
}
