//! Points in time and spans, in milliseconds: a point comes from a clock or a file's mtime, never from here.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: milliseconds since 1970-01-01 UTC, as HDFS and Java count them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// A span of time in milliseconds, never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Age(pub u64);

impl Timestamp {
    /// Returns the point that lies `age` before this one.
    #[must_use]
    pub fn minus(self, age: Age) -> Self {
        Self(self.0.saturating_sub_unsigned(age.0))
    }

    /// Returns the point that lies `age` after this one.
    #[must_use]
    pub fn plus(self, age: Age) -> Self {
        Self(self.0.saturating_add_unsigned(age.0))
    }

    /// Returns how long ago `earlier` was, seen from here; zero when it lies in the future.
    pub fn since(self, earlier: Self) -> Age {
        Age(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads a time in ISO 8601 with an offset: `2026-11-23T18:00:00Z`, `2026-11-23T19:00:00.5+01:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let (local, offset_ms) = if let Some(local) = text.strip_suffix(['Z', 'z']) {
            (local, 0)
        } else {
            let at = text.len().checked_sub(6)?;
            (text.get(..at)?, offset_of(text.get(at..)?)?)
        };
        let utc = humantime::parse_rfc3339(&format!("{}Z", local.replace(' ', "T"))).ok()?;
        let ms = match utc.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).ok()?,
            Err(before) => -i64::try_from(before.duration().as_millis()).ok()?,
        };
        Some(Self(ms.checked_sub(offset_ms)?))
    }
}

/// Reads `+01:30` as milliseconds.
fn offset_of(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

impl fmt::Display for Timestamp {
    /// ISO 8601, UTC, with three decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 9999-12-31T23:59:59.999Z is the last that has this form, 1970 the first that a store tells.
        let ms = u64::try_from(self.0).unwrap_or(0).min(253_402_300_799_999);
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is not a time like 2026-11-23T18:00:00Z"))
        })
    }
}

impl Age {
    /// Returns a span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// Returns a span of whole minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// Returns a span of whole hours.
    pub const fn hours(hours: u64) -> Self {
        Self::minutes(hours * 60)
    }

    /// Returns a span of whole days.
    pub const fn days(days: u64) -> Self {
        Self::hours(days * 24)
    }

    /// Reads a duration as `humantime` does, in the units ms, s, m, h, d and w only: `1M` would be a month to it,
    /// and who types it means minutes.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text, and which units there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let units_ok = text
            .split(|c: char| !c.is_ascii_alphabetic())
            .filter(|unit| !unit.is_empty())
            .all(|unit| matches!(unit, "ms" | "s" | "m" | "h" | "d" | "w"));
        if !units_ok {
            return Err(format!("`{text}` is not a duration: use the units s, m, h, d and w, as in `36h`"));
        }
        let duration = humantime::parse_duration(text)
            .map_err(|error| format!("`{text}` is not a duration ({error}): write it as `36h` or `7d`"))?;
        u64::try_from(duration.as_millis()).map(Self).map_err(|_| format!("`{text}` is too long"))
    }
}

impl From<Duration> for Age {
    /// Whole milliseconds; what is longer than an age can be counts as the longest.
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Age {
    /// As people write it: `7d`, `36h`, `1h 30m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        if rest == 0 {
            return f.write_str("0s");
        }
        let mut first = true;
        for (unit, ms) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
            let count = rest / ms;
            rest %= ms;
            if count > 0 {
                write!(f, "{}{count}{unit}", if first { "" } else { " " })?;
                first = false;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_and_read_back() {
        let time = Timestamp(1_795_449_931_947);
        assert_eq!(time.to_string(), "2026-11-23T16:05:31.947Z");
        assert_eq!(Timestamp::parse("2026-11-23T16:05:31.947Z"), Some(time));
        assert_eq!(Timestamp::parse("2026-11-23T17:05:31.947+01:00"), Some(time));
        assert_eq!(Timestamp::parse("2026-11-23T16:05:31"), None);
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn ages_take_only_the_documented_units() {
        assert_eq!(Age::parse("1h 30m"), Ok(Age::minutes(90)));
        assert_eq!(Age::parse("7d").unwrap().to_string(), "7d");
        assert!(Age::parse("1M").is_err());
        assert!(Age::parse("90").is_err());
        assert!(Age::parse("1month").is_err());
    }

    #[test]
    fn the_future_is_no_time_ago() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Age(0));
        assert_eq!(Timestamp(9).since(Timestamp(5)), Age(4));
    }
}
