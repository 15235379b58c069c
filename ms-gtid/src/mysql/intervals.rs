//! Sets of numbers as the ranges they consist of.
//!
//! A server that ran for a year has executed billions of transactions in a handful of unbroken ranges. So a set is kept
//! as its ranges, in order, and every operation walks two such lists once; none of them ever counts through a range.

/// The highest number a transaction can have: servers stop before `i64::MAX`.
pub(crate) const LAST: u64 = i64::MAX as u64 - 1;

/// Ranges `(first, last)`, both ends included: ascending, and with at least one number missing between neighbours.
///
/// That invariant makes equality of sets equality of the lists. What was read is within `1..=LAST`, but an id's number is
/// public and may be anything: a neighbour's number is computed without overflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Intervals(Vec<(u64, u64)>);

impl Intervals {
    /// Puts ranges in order and joins what touches or overlaps; a range that ends before it starts holds nothing.
    pub(crate) fn from_unordered(mut ranges: Vec<(u64, u64)>) -> Self {
        ranges.retain(|(first, last)| first <= last);
        ranges.sort_unstable();
        let mut joined = Self(Vec::with_capacity(ranges.len()));
        for range in ranges {
            joined.push(range);
        }
        joined
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn as_slice(&self) -> &[(u64, u64)] {
        &self.0
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        let at = self.0.partition_point(|&(_, last)| last < number);
        self.0.get(at).is_some_and(|&(first, _)| first <= number)
    }

    /// Adds one number; says whether it is new.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        // The first range that holds the number, touches it from below, or lies above it.
        let at = self.0.partition_point(|&(_, last)| last.saturating_add(1) < number);
        match self.0.get(at).copied() {
            Some((first, last)) if (first..=last).contains(&number) => return false,
            Some((_, last)) if last < number => {
                self.0[at].1 = number;
                // The gap to the next range may have been this one number.
                if self.0.get(at + 1).is_some_and(|&(next, _)| next == number.saturating_add(1)) {
                    self.0[at].1 = self.0.remove(at + 1).1;
                }
            }
            Some((first, _)) if number.saturating_add(1) == first => self.0[at].0 = number,
            _ => self.0.insert(at, (number, number)),
        }
        true
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut union = Self(Vec::with_capacity(self.len().max(other.len())));
        loop {
            let from_left = match (left.peek(), right.peek()) {
                (Some(l), Some(r)) => l <= r,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => return union,
            };
            let next = if from_left { left.next() } else { right.next() };
            union.push(*next.expect("it was just peeked at"));
        }
    }

    pub(crate) fn intersect(&self, other: &Self) -> Self {
        let (mut left, mut right) = (0, 0);
        let mut common = Self::default();
        while let (Some(&(l_first, l_last)), Some(&(r_first, r_last))) = (self.0.get(left), other.0.get(right)) {
            let (first, last) = (l_first.max(r_first), l_last.min(r_last));
            if first <= last {
                common.0.push((first, last));
            }
            // The range that ends first has met everything it can meet.
            if l_last < r_last {
                left += 1;
            } else {
                right += 1;
            }
        }
        common
    }

    pub(crate) fn subtract(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        let mut right = 0;
        'ours: for &(mut first, last) in &self.0 {
            while other.0.get(right).is_some_and(|&(_, r_last)| r_last < first) {
                right += 1;
            }
            // A range that is taken away may reach into the next of ours: it is looked at again from there.
            for &(r_first, r_last) in other.0[right..].iter().take_while(|(r_first, _)| *r_first <= last) {
                if first < r_first {
                    rest.0.push((first, r_first - 1));
                }
                if r_last >= last {
                    continue 'ours;
                }
                first = r_last + 1;
            }
            rest.0.push((first, last));
        }
        rest
    }

    /// Whether every number of `other` is in here.
    pub(crate) fn contains_all(&self, other: &Self) -> bool {
        let mut ours = self.0.iter().peekable();
        other.0.iter().all(|&(first, last)| {
            while ours.peek().is_some_and(|&&(_, end)| end < first) {
                ours.next();
            }
            ours.peek().is_some_and(|&&(start, end)| start <= first && last <= end)
        })
    }

    /// Fills the lowest gaps until no more than `most` ranges (at least one) are left.
    pub(crate) fn widen(&mut self, most: usize) {
        let surplus = self.len().saturating_sub(most.max(1));
        if surplus > 0 {
            let first = self.0[0].0;
            self.0.drain(..surplus);
            self.0[0].0 = first;
        }
    }

    /// Adds a range that starts no lower than any before it.
    fn push(&mut self, (first, last): (u64, u64)) {
        match self.0.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => self.0.push((first, last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ranges: &[(u64, u64)]) -> Intervals {
        Intervals::from_unordered(ranges.to_vec())
    }

    #[test]
    fn joins_what_touches() {
        assert_eq!(set(&[(5, 7), (1, 2), (3, 4), (6, 9), (8, 3)]).as_slice(), [(1, 9)]);
        assert_eq!(set(&[(5, 7), (1, 3)]).as_slice(), [(1, 3), (5, 7)]);
    }

    #[test]
    fn a_number_extends_joins_or_stands_alone() {
        #[track_caller]
        fn check(number: u64, new: bool, expected: &[(u64, u64)]) {
            let mut it = set(&[(3, 4), (6, 7)]);
            assert_eq!(it.insert(number), new);
            assert_eq!(it.as_slice(), expected);
            assert!(it.contains(number));
        }
        check(1, true, &[(1, 1), (3, 4), (6, 7)]);
        check(2, true, &[(2, 4), (6, 7)]);
        check(3, false, &[(3, 4), (6, 7)]);
        check(5, true, &[(3, 7)]);
        check(8, true, &[(3, 4), (6, 8)]);
        check(9, true, &[(3, 4), (6, 7), (9, 9)]);
        check(u64::MAX, true, &[(3, 4), (6, 7), (u64::MAX, u64::MAX)]);
        check(0, true, &[(0, 0), (3, 4), (6, 7)]);
    }

    #[test]
    fn takes_one_range_out_of_several_and_several_out_of_one() {
        assert_eq!(set(&[(1, 3), (5, 9), (11, 12)]).subtract(&set(&[(2, 11)])).as_slice(), [(1, 1), (12, 12)]);
        assert_eq!(set(&[(1, 9)]).subtract(&set(&[(1, 1), (4, 5), (9, LAST)])).as_slice(), [(2, 3), (6, 8)]);
        assert_eq!(set(&[(1, LAST)]).subtract(&set(&[(1, LAST)])).as_slice(), []);
        assert_eq!(set(&[(1, u64::MAX)]).subtract(&set(&[(5, u64::MAX)])).as_slice(), [(1, 4)]);
    }

    #[test]
    fn fills_the_lowest_gaps_first() {
        let mut it = set(&[(1, 1), (3, 3), (5, 5), (7, 7)]);
        it.widen(4);
        assert_eq!(it.len(), 4);
        it.widen(2);
        assert_eq!(it.as_slice(), [(1, 5), (7, 7)]);
        it.widen(0);
        assert_eq!(it.as_slice(), [(1, 7)]);
    }
}
