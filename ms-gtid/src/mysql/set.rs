//! Sets of MySQL's ids: what a server executed, what a session wrote.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr};

use super::{Gtid, ServerUuid, Tag, intervals::Intervals, read};
use crate::ParseSetError;

/// A set of transactions, as in `gtid_executed`: per server and tag, ranges of numbers.
///
/// Whether a server has a transaction is a question about this set and not about its highest numbers: transactions of
/// one source may be missing in the middle, for good.
///
/// ```
/// use ms_gtid::mysql::GtidSet;
///
/// let server: GtidSet = "3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5:7-9".parse()?;
/// let written: GtidSet = "3e11fa47-71ca-11e1-9e33-c80aa9429562:6".parse()?;
///
/// assert!(!server.contains_all(&written)); // 9 is higher than 6 and proves nothing.
/// assert_eq!(server.union(&written).to_string(), "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9");
/// # Ok::<(), ms_gtid::ParseSetError>(())
/// ```
///
/// Sets read from text are bounded (see [`from_str`](Self::from_str)); a union has at most the ranges of both sides,
/// and [`widen`](Self::widen) bounds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GtidSet {
    /// No entry is empty, so equality of sets is equality of the maps. The order is the server's own.
    pub(super) streams: BTreeMap<Stream, Intervals>,
}

/// One sequence of numbers: a server, and the tag if there is one. No tag sorts before any tag.
pub(super) type Stream = (ServerUuid, Option<Tag>);

impl GtidSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is no transaction in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Adds one transaction; says whether it is new.
    pub fn insert(&mut self, id: Gtid) -> bool {
        self.streams.entry((id.server, id.tag)).or_default().insert(id.sequence)
    }

    /// Whether it holds one transaction.
    #[must_use]
    pub fn contains(&self, id: &Gtid) -> bool {
        self.streams.get(&(id.server, id.tag)).is_some_and(|numbers| numbers.contains(id.sequence))
    }

    /// Whether it holds every transaction of `other`: `GTID_SUBSET(other, self)`.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.streams.iter().all(|(stream, theirs)| {
            let ours = self.streams.get(stream);
            ours.is_some_and(|ours| ours.contains_all(theirs))
        })
    }

    /// What is in either of them.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.merge(other);
        union
    }

    /// Adds every transaction of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (stream, theirs) in &other.streams {
            let ours = self.streams.entry(*stream).or_default();
            *ours = ours.union(theirs);
        }
    }

    /// What is in both of them.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        self.per_stream(|stream, ours| Some(ours.intersect(other.streams.get(stream)?)))
    }

    /// What is in here and not in `other`: `GTID_SUBTRACT(self, other)`.
    #[must_use]
    pub fn subtract(&self, other: &Self) -> Self {
        self.per_stream(|stream, ours| match other.streams.get(stream) {
            Some(theirs) => Some(ours.subtract(theirs)),
            None => Some(ours.clone()),
        })
    }

    /// How many ranges the set consists of; what it costs in memory and time.
    #[must_use]
    pub fn interval_count(&self) -> usize {
        self.streams.values().map(Intervals::len).sum()
    }

    /// Every range of it, in the order in which servers print them.
    pub fn intervals(&self) -> impl Iterator<Item = (ServerUuid, Option<Tag>, RangeInclusive<u64>)> + '_ {
        self.streams.iter().flat_map(|(&(server, tag), numbers)| {
            numbers.as_slice().iter().map(move |&(first, last)| (server, tag, first..=last))
        })
    }

    /// Makes the set a larger one of at most `most` ranges, by filling the lowest gaps of its longest lists.
    ///
    /// Who collects single transactions out of a stream that others write to as well collects a range for each. Asking
    /// for more than was written is safe, it may only take longer to come true; the oldest numbers are the most likely to
    /// be everywhere by now. At least one range per server and tag remains, whatever `most` says.
    ///
    /// ```
    /// let mut set: ms_gtid::mysql::GtidSet = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1:3:5:7".parse()?;
    /// set.widen(2);
    /// assert_eq!(set.to_string(), "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5:7");
    /// # Ok::<(), ms_gtid::ParseSetError>(())
    /// ```
    pub fn widen(&mut self, most: usize) {
        if self.interval_count() <= most {
            return;
        }
        let each = most / self.streams.len();
        for numbers in self.streams.values_mut() {
            numbers.widen(each);
        }
    }

    /// The set without line breaks, for a statement or a log line.
    ///
    /// ```
    /// let text = "00000000-0000-0000-0000-000000000001:1,\n00000000-0000-0000-0000-000000000002:5";
    /// let set: ms_gtid::mysql::GtidSet = text.parse()?;
    /// assert_eq!(set.to_string(), text);
    /// assert_eq!(set.one_line().to_string(), text.replace('\n', ""));
    /// # Ok::<(), ms_gtid::ParseSetError>(())
    /// ```
    #[must_use]
    pub fn one_line(&self) -> impl fmt::Display + '_ {
        Printed { set: self, between: "," }
    }

    /// Per server and tag, the ranges in order.
    #[cfg(feature = "token")]
    pub(crate) fn streams(&self) -> impl Iterator<Item = (ServerUuid, Option<Tag>, &[(u64, u64)])> {
        self.streams.iter().map(|(&(server, tag), numbers)| (server, tag, numbers.as_slice()))
    }

    /// Adds ranges of numbers of one server and tag.
    #[cfg(feature = "token")]
    pub(crate) fn add(&mut self, server: ServerUuid, tag: Option<Tag>, ranges: Vec<(u64, u64)>) {
        if !ranges.is_empty() {
            let ours = self.streams.entry((server, tag)).or_default();
            *ours = ours.union(&Intervals::from_unordered(ranges));
        }
    }

    fn per_stream(&self, left_of: impl Fn(&Stream, &Intervals) -> Option<Intervals>) -> Self {
        let streams = self.streams.iter().filter_map(|(stream, ours)| {
            let left = left_of(stream, ours).filter(|left| !left.is_empty())?;
            Some((*stream, left))
        });
        Self { streams: streams.collect() }
    }
}

/// Prints what the server prints for the same set: lower case, in order, one server per line.
impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printed { set: self, between: ",\n" }.fmt(f)
    }
}

struct Printed<'a> {
    set: &'a GtidSet,
    between: &'static str,
}

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for ((server, tag), numbers) in &self.set.streams {
            if last != Some(*server) {
                f.write_str(if last.is_some() { self.between } else { "" })?;
                write!(f, "{server}")?;
                last = Some(*server);
            }
            if let Some(tag) = tag {
                write!(f, ":{}", tag.as_str())?;
            }
            for (first, last) in numbers.as_slice() {
                if first == last {
                    write!(f, ":{first}")?;
                } else {
                    write!(f, ":{first}-{last}")?;
                }
            }
        }
        Ok(())
    }
}

impl FromStr for GtidSet {
    type Err = ParseSetError;

    /// Reads a set in every spelling that servers accept.
    ///
    /// White space and line breaks anywhere between the parts, letters of either case, ranges in any order and
    /// overlapping, servers named twice or without numbers, additional commas, uuids in braces or without hyphens, and
    /// the empty set. A range that ends before it starts is empty.
    ///
    /// # Errors
    ///
    /// Fails where a server answers with error 1772 (`Malformed GTID set specification`), and for texts longer than
    /// [`MAX_TEXT`](crate::MAX_TEXT) or of more than [`MAX_PARTS`](crate::MAX_PARTS) ranges as they are written.
    fn from_str(text: &str) -> Result<Self, ParseSetError> {
        read::set(text)
    }
}

impl From<Gtid> for GtidSet {
    fn from(id: Gtid) -> Self {
        Self::from_iter([id])
    }
}

impl FromIterator<Gtid> for GtidSet {
    fn from_iter<I: IntoIterator<Item = Gtid>>(ids: I) -> Self {
        let mut set = Self::new();
        set.extend(ids);
        set
    }
}

impl Extend<Gtid> for GtidSet {
    fn extend<I: IntoIterator<Item = Gtid>>(&mut self, ids: I) {
        for id in ids {
            self.insert(id);
        }
    }
}
