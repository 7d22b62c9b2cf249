//! Different spellings of one place: default authority, the pair of NameNode addresses, mount tables, aliases.
//!
//! Flink writes `hdfs:/x`, `hdfs://nameservice/x`, `hdfs://nn1:8020/x` or `viewfs://…/x` for one file, as the
//! configuration of the day had it. A reference that is not recognised as one of the listed files is a reference
//! that protects nothing, so what is known to be one place is brought to one spelling before anything is compared.
//!
//! What this module is told comes from the Hadoop configuration and from aliases that a person typed; it guesses
//! nothing. In particular an authority that no group names is left alone: whether an equal path under it keeps a
//! file is the planner's question, and its answer is yes.

use std::borrow::Cow;

use serde::Serialize;

use crate::location::{Location, path_below};

/// How many mount links are followed in a row. Hadoop follows one; a link into another mount table makes two.
const MAX_MOUNT_LINKS: usize = 16;

/// An alias that cannot be held.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AliasError {
    /// Two aliases say where one place is.
    #[error("two aliases have the same FROM `{from}`: one names `{first}`, the other `{second}`")]
    Duplicate {
        /// The place that both speak of.
        from: Location,
        /// Where the first says that it is.
        first: Location,
        /// Where the second says that it is.
        second: Location,
    },
    /// A side without a scheme belongs to no file system.
    #[error("`{0}` in an alias has no scheme: write it like `hdfs://ns/path` or `file:///path`")]
    NoScheme(Location),
}

/// Which spellings mean one place.
///
/// Add groups and mounts before aliases: an alias is compared with those before it by what is known by then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Equivalence {
    default: Option<(String, String)>,
    groups: Vec<Vec<(String, String)>>,
    mounts: Vec<(Location, Location)>,
    aliases: Vec<(Location, Location)>,
}

impl Equivalence {
    /// Returns the equivalence that only knows the default file system: what an empty authority means for this
    /// scheme.
    pub fn with_default(scheme: &str, authority: &str) -> Self {
        let default = (scheme.to_ascii_lowercase(), authority.to_owned());
        Self { default: Some(default), ..Self::default() }
    }

    /// Adds (scheme, authority) pairs that are one name space. The first is the one that others are brought to.
    ///
    /// A group that shares a member with earlier ones is united with them.
    pub fn add_group<S: AsRef<str>, A: AsRef<str>>(&mut self, members: impl IntoIterator<Item = (S, A)>) {
        let new: Vec<(String, String)> = members
            .into_iter()
            .map(|(scheme, authority)| (scheme.as_ref().to_ascii_lowercase(), authority.as_ref().to_owned()))
            .collect();
        let (touched, apart): (Vec<_>, Vec<_>) = std::mem::take(&mut self.groups)
            .into_iter()
            .partition(|group| new.iter().any(|(scheme, authority)| is_member(group, scheme, authority)));
        let mut united: Vec<(String, String)> = Vec::new();
        for (scheme, authority) in touched.into_iter().flatten().chain(new) {
            if !is_member(&united, &scheme, &authority) {
                united.push((scheme, authority));
            }
        }
        self.groups = apart;
        if united.len() > 1 {
            self.groups.push(united);
        }
    }

    /// Adds a mount link: what lies below `from` is what lies below `to`.
    pub fn add_mount(&mut self, from: &Location, to: &Location) {
        self.mounts.push((normalised(from), normalised(to)));
    }

    /// Adds an alias: `from` and `to` are one place, and `to` is the one that is listed.
    ///
    /// # Errors
    ///
    /// When an earlier alias has the same `from`, in whatever spelling, or one side has no scheme.
    pub fn add_alias(&mut self, from: &Location, to: &Location) -> Result<(), AliasError> {
        if let Some(bare) = [from, to].into_iter().find(|side| !side.is_resolvable()) {
            return Err(AliasError::NoScheme(bare.clone()));
        }
        let (from, to) = (normalised(from), normalised(to));
        let place = self.without_aliases(&from);
        if let Some((_, first)) =
            self.aliases.iter().find(|(other, _)| *other == from || self.without_aliases(other) == place)
        {
            return Err(AliasError::Duplicate { from, first: first.clone(), second: to });
        }
        self.aliases.push((from, to));
        Ok(())
    }

    /// Returns what it holds, line by line, in a form to print and to compare: a plan is stale under another.
    pub fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some((scheme, authority)) = &self.default {
            lines.push(format!("default {scheme}://{authority}"));
        }
        let print = |(scheme, authority): &(String, String)| format!("{scheme}://{authority}");
        lines.extend(self.groups.iter().map(|group| group.iter().map(print).collect::<Vec<_>>().join(" = ")));
        lines.extend(self.mounts.iter().map(|(from, to)| format!("mount {from} -> {to}")));
        lines.extend(self.aliases.iter().map(|(from, to)| format!("alias {from} -> {to}")));
        lines
    }

    /// Returns the aliases in the order in which they were added.
    pub fn aliases(&self) -> &[(Location, Location)] {
        &self.aliases
    }

    /// Returns the default file system, if one is known: scheme and authority.
    pub fn default_file_system(&self) -> Option<(&str, &str)> {
        self.default.as_ref().map(|(scheme, authority)| (scheme.as_str(), authority.as_str()))
    }

    /// Returns the one spelling of a place that all its known spellings have.
    ///
    /// An alias is applied first, once; then the default authority is filled in, mount links are followed, and
    /// the authority is replaced by the first of its group. A location without a scheme is returned as it is.
    #[must_use]
    pub fn canonical(&self, location: &Location) -> Location {
        if !location.is_resolvable() {
            return location.clone();
        }
        match self.alias_index_for(location).and_then(|at| self.aliases.get(at)) {
            Some((from, to)) => self.without_aliases(&self.aliased(location, from, to)),
            None => self.without_aliases(location),
        }
    }

    /// Returns which alias [`Equivalence::canonical`] applies to this location: the one whose FROM has most
    /// components.
    pub fn alias_index_for(&self, location: &Location) -> Option<usize> {
        if self.aliases.is_empty() || !location.is_resolvable() {
            return None;
        }
        let place = self.without_aliases(location);
        let mut best: Option<(usize, (usize, bool))> = None;
        for (at, (from, _)) in self.aliases.iter().enumerate() {
            let as_written = below(location, from).is_some();
            if !as_written && below(&place, &self.without_aliases(from)).is_none() {
                continue;
            }
            let rank = (from.components().count(), as_written);
            if best.is_none_or(|(_, other)| rank > other) {
                best = Some((at, rank));
            }
        }
        best.map(|(at, _)| at)
    }

    /// Puts `to` in the place of `from`, which the location lies below in one spelling or another.
    fn aliased(&self, location: &Location, from: &Location, to: &Location) -> Location {
        if let Some(rest) = below(location, from) {
            return joined(to, rest);
        }
        let place = self.without_aliases(location);
        match below(&place, &self.without_aliases(from)) {
            Some(rest) => joined(to, rest),
            None => place.clone(),
        }
    }

    fn without_aliases(&self, location: &Location) -> Location {
        let mut place = self.with_authority(location).into_owned();
        for _ in 0..MAX_MOUNT_LINKS {
            let Some(next) = self.through_mount(&place) else { break };
            place = self.with_authority(&next).into_owned();
        }
        self.represented(&place).unwrap_or(place)
    }

    /// Makes the scheme lower case and fills in an empty authority.
    fn with_authority<'a>(&self, location: &'a Location) -> Cow<'a, Location> {
        let Some(scheme) = location.scheme() else { return Cow::Borrowed(location) };
        let authority = match &self.default {
            Some((default_scheme, authority))
                if location.authority().is_empty() && scheme.eq_ignore_ascii_case(default_scheme) =>
            {
                authority.as_str()
            }
            Some(_) | None => location.authority(),
        };
        if authority == location.authority() && !scheme.bytes().any(|b| b.is_ascii_uppercase()) {
            return Cow::Borrowed(location);
        }
        let scheme = scheme.to_ascii_lowercase();
        Cow::Owned(Location::from_parts(Some(&scheme), Some(authority), location.path()))
    }

    /// Follows the mount link with the longest path that applies, if there is one that leads elsewhere.
    fn through_mount(&self, place: &Location) -> Option<Location> {
        let (_, to, rest) = self
            .mounts
            .iter()
            .filter_map(|(from, to)| below(place, from).map(|rest| (from, to, rest)))
            .max_by_key(|(from, _, _)| from.components().count())?;
        let next = joined(to, rest);
        (next != *place).then_some(next)
    }

    fn represented(&self, place: &Location) -> Option<Location> {
        let (scheme, authority) = (place.scheme()?, place.authority());
        let group = self.groups.iter().find(|group| is_member(group, scheme, authority))?;
        let (scheme, authority) = group.first()?;
        Some(Location::from_parts(Some(scheme), Some(authority), place.path()))
    }
}

fn is_member(group: &[(String, String)], scheme: &str, authority: &str) -> bool {
    group.iter().any(|(s, a)| s.eq_ignore_ascii_case(scheme) && a.eq_ignore_ascii_case(authority))
}

fn normalised(location: &Location) -> Location {
    match location.scheme() {
        Some(scheme) => {
            Location::normalised(&scheme.to_ascii_lowercase(), location.authority(), location.path())
        }
        None => location.clone(),
    }
}

/// Returns what follows `directory`, comparing scheme and authority as Hadoop does: without case.
fn below<'a>(location: &'a Location, directory: &Location) -> Option<&'a [u8]> {
    let scheme_is_equal = location.scheme()?.eq_ignore_ascii_case(directory.scheme()?);
    let same = scheme_is_equal && location.authority().eq_ignore_ascii_case(directory.authority());
    if same { path_below(location.path(), directory.path()) } else { None }
}

fn joined(directory: &Location, rest: &[u8]) -> Location {
    if rest.is_empty() { directory.clone() } else { directory.child(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `scheme://authority/path`, or a string without a scheme.
    fn at(text: &str) -> Location {
        match text.split_once("://") {
            Some((scheme, rest)) => {
                let slash = rest.find('/').unwrap_or(rest.len());
                Location::from_parts(Some(scheme), Some(&rest[..slash]), &rest.as_bytes()[slash..])
            }
            None => Location::from_parts(None, None, text.as_bytes()),
        }
    }

    fn ha() -> Equivalence {
        let mut known = Equivalence::with_default("hdfs", "ns");
        known.add_group([("hdfs", "ns"), ("hdfs", "nn1:8020"), ("hdfs", "nn1"), ("hdfs", "nn2:9000")]);
        known
    }

    #[track_caller]
    fn assert_canonical(known: &Equivalence, spelling: &str, expected: &str) {
        assert_eq!(known.canonical(&at(spelling)).to_string(), expected, "of {spelling}");
    }

    #[test]
    fn all_spellings_of_an_ha_pair_are_one() {
        for spelling in ["hdfs:///a", "hdfs://ns/a", "hdfs://nn1/a", "hdfs://nn1:8020/a", "hdfs://nn2:9000/a"]
        {
            assert_canonical(&ha(), spelling, "hdfs://ns/a");
        }
    }

    #[test]
    fn what_is_not_known_is_left_alone() {
        assert_canonical(&ha(), "hdfs://nn2/a", "hdfs://nn2/a");
        assert_canonical(&ha(), "hdfs://other:8020/a", "hdfs://other:8020/a");
        assert_canonical(&ha(), "webhdfs://ns/a", "webhdfs://ns/a");
        assert_canonical(&ha(), "file:///a", "file:///a");
        assert_canonical(&ha(), "s3:///a", "s3:///a");
        assert_canonical(&ha(), "a/b", "a/b");
        assert_canonical(&Equivalence::default(), "hdfs:///a", "hdfs:///a");
    }

    #[test]
    fn scheme_and_authority_have_no_case_and_paths_do() {
        assert_canonical(&ha(), "HDFS://NN1:8020/Aa", "hdfs://ns/Aa");
        assert_canonical(&ha(), "Hdfs:///a", "hdfs://ns/a");
        assert_canonical(&ha(), "HDFS://Other/a", "hdfs://Other/a");
    }

    #[test]
    fn bytes_of_a_path_are_kept() {
        let odd = Location::from_parts(Some("hdfs"), Some("nn1"), b"/a\\\xff b%20//c");
        assert_eq!(ha().canonical(&odd).path(), odd.path());
    }

    #[test]
    fn groups_that_share_a_member_are_one() {
        let mut known = Equivalence::default();
        known.add_group([("hdfs", "a"), ("hdfs", "h1:8020")]);
        known.add_group([("hdfs", "b"), ("hdfs", "h2:8020")]);
        known.add_group([("hdfs", "c"), ("hdfs", "H1:8020"), ("hdfs", "h2:8020")]);
        for spelling in ["hdfs://a/x", "hdfs://b/x", "hdfs://c/x", "hdfs://h1:8020/x", "hdfs://h2:8020/x"] {
            assert_canonical(&known, spelling, "hdfs://a/x");
        }
    }

    #[test]
    fn mount_links_are_followed_by_component_and_the_longest_wins() {
        let mut known = ha();
        known.add_mount(&at("viewfs://c/"), &at("hdfs://rest/"));
        known.add_mount(&at("viewfs://c/flink"), &at("hdfs://nn1:8020/data/flink/"));
        known.add_mount(&at("viewfs://c/flink/old"), &at("hdfs://cold:8020/f"));
        assert_canonical(&known, "viewfs://c/flink/x", "hdfs://ns/data/flink/x");
        assert_canonical(&known, "viewfs://c/flink", "hdfs://ns/data/flink");
        assert_canonical(&known, "viewfs://c/flink/old/x", "hdfs://cold:8020/f/x");
        assert_canonical(&known, "viewfs://c/flinker/x", "hdfs://rest/flinker/x");
        assert_canonical(&known, "viewfs://d/flink/x", "viewfs://d/flink/x");
    }

    #[test]
    fn a_mount_table_as_default_is_filled_in_before_links_are_followed() {
        let mut known = Equivalence::with_default("viewfs", "c");
        known.add_mount(&at("viewfs://c/flink"), &at("viewfs://d/f"));
        known.add_mount(&at("viewfs://d/f"), &at("hdfs://ns/g"));
        assert_canonical(&known, "viewfs:///flink/x", "hdfs://ns/g/x");
    }

    #[test]
    fn mount_links_in_a_circle_end() {
        let mut known = Equivalence::default();
        known.add_mount(&at("viewfs://c/a"), &at("viewfs://c/b"));
        known.add_mount(&at("viewfs://c/b"), &at("viewfs://c/a"));
        let end = known.canonical(&at("viewfs://c/a/x")).to_string();
        assert!(end.starts_with("viewfs://c/"), "{end}");
    }

    #[test]
    fn an_alias_is_applied_once_and_the_longest_from_wins() {
        let mut known = Equivalence::default();
        known.add_alias(&at("file:///a"), &at("file:///b")).unwrap();
        known.add_alias(&at("file:///b"), &at("file:///c")).unwrap();
        known.add_alias(&at("file:///a/deep"), &at("file:///d")).unwrap();
        assert_canonical(&known, "file:///a/x", "file:///b/x");
        assert_canonical(&known, "file:///a", "file:///b");
        assert_canonical(&known, "file:///ab/x", "file:///ab/x");
        assert_canonical(&known, "file:///a/deep/x", "file:///d/x");
        assert_eq!(known.alias_index_for(&at("file:///a/deep/x")), Some(2));
        assert_eq!(known.alias_index_for(&at("file:///z")), None);
        assert_eq!(known.alias_index_for(&at("a/x")), None);
    }

    #[test]
    fn an_alias_may_change_scheme_and_start_at_the_root() {
        let mut known = ha();
        known.add_alias(&at("s3://bucket/"), &at("hdfs://nn1/copy")).unwrap();
        known.add_alias(&at("hdfs://gone/flink"), &at("file:///")).unwrap();
        assert_canonical(&known, "s3://bucket/x/y", "hdfs://ns/copy/x/y");
        assert_canonical(&known, "hdfs://gone/flink/x", "file:///x");
        assert_canonical(&known, "hdfs://gone/flink", "file:///");
    }

    #[test]
    fn an_alias_holds_in_every_spelling_of_its_from() {
        let mut known = ha();
        known.add_mount(&at("viewfs://c/v"), &at("hdfs://ns/old"));
        known.add_alias(&at("hdfs:///old//./"), &at("hdfs:///new")).unwrap();
        known.add_alias(&at("viewfs://c/"), &at("hdfs://ns/all")).unwrap();
        for spelling in ["hdfs:///old/x", "hdfs://ns/old/x", "HDFS://NN1:8020/old/x"] {
            assert_canonical(&known, spelling, "hdfs://ns/new/x");
        }
        assert_canonical(&known, "viewfs://c/v/x", "hdfs://ns/new/x");
        assert_canonical(&known, "viewfs://c/w/x", "hdfs://ns/all/w/x");
    }

    #[test]
    fn the_longest_from_wins_across_spellings() {
        let mut known = ha();
        known.add_alias(&at("hdfs:///a"), &at("file:///short")).unwrap();
        known.add_alias(&at("hdfs://nn1/a/b"), &at("file:///long")).unwrap();
        assert_canonical(&known, "hdfs:///a/b/x", "file:///long/x");
    }

    #[test]
    fn two_aliases_with_one_from_are_refused() {
        let mut known = ha();
        known.add_alias(&at("hdfs:///a"), &at("file:///1")).unwrap();
        let same = known.add_alias(&at("hdfs:///a/"), &at("file:///2")).unwrap_err();
        assert_eq!(
            same.to_string(),
            "two aliases have the same FROM `hdfs:///a`: one names `file:///1`, the other `file:///2`"
        );
        assert!(known.add_alias(&at("hdfs://nn2:9000/a"), &at("file:///2")).is_err());
        assert!(known.add_alias(&at("hdfs://nn2:9000/b"), &at("file:///2")).is_ok());
        assert_eq!(known.aliases().len(), 2);
    }

    #[test]
    fn an_alias_needs_a_scheme_on_both_sides() {
        let mut known = Equivalence::default();
        assert!(matches!(known.add_alias(&at("a"), &at("file:///b")), Err(AliasError::NoScheme(_))));
        assert!(matches!(known.add_alias(&at("file:///b"), &at("a")), Err(AliasError::NoScheme(_))));
    }

    #[test]
    fn the_canonical_spelling_is_its_own() {
        let mut known = ha();
        known.add_mount(&at("viewfs://c/flink"), &at("hdfs://nn1:8020/f"));
        for spelling in ["hdfs:///a", "viewfs://c/flink/x", "viewfs://c/x", "s3://b/x"] {
            let once = known.canonical(&at(spelling));
            assert_eq!(known.canonical(&once), once);
        }
    }
}
