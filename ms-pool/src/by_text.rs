//! What was found out about a statement, found again by its whole text.
//!
//! A program sends the same few texts over and over, and looking a text up costs a fraction of reading it. Nothing is
//! ever replaced, so that reading takes no lock and no two processors fight over a line of memory. What comes when the
//! table is full, or finds its places taken, is looked at each time; that is slower and never wrong.

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Places for statements; a power of two.
const PLACES: usize = 512;
/// Places where one statement may be: its own and those behind.
const REACH: usize = 4;
/// Longer texts are not kept: most of them were generated, and will not come again.
pub(crate) const LONGEST: usize = 2048;
/// Bytes kept in all, texts and what belongs to them.
pub(crate) const CAPACITY: usize = 256 << 10;

/// Findings about texts; see the [module](self).
#[derive(Debug)]
pub(crate) struct ByText<V> {
    /// Made with the first text: a cluster that never keeps one needs none.
    places: OnceLock<Box<[Place<V>]>>,
    bytes: AtomicUsize,
}

type Place<V> = OnceLock<Box<Kept<V>>>;

#[derive(Debug)]
struct Kept<V> {
    text: Box<[u8]>,
    value: V,
}

/// A text that may be kept, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'t> {
    text: &'t [u8],
    hash: usize,
}

impl<'t> Key<'t> {
    /// `None` for a text that is too long. Findings that depend on more than the text have a `salt` that differs.
    #[inline]
    pub(crate) fn new(text: &'t [u8], salt: u64) -> Option<Self> {
        (text.len() <= LONGEST).then(|| Key { text, hash: hash(text, salt) })
    }

    /// The text.
    #[inline]
    pub(crate) fn text(self) -> &'t [u8] {
        self.text
    }
}

impl<V> Default for ByText<V> {
    fn default() -> Self {
        Self { places: OnceLock::new(), bytes: AtomicUsize::new(0) }
    }
}

impl<V> ByText<V> {
    /// What is kept for a text, of all that is the one that `fits`.
    #[inline]
    pub(crate) fn find(&self, key: Key<'_>, fits: impl Fn(&V) -> bool) -> Option<&V> {
        for place in reach(self.places.get()?, key.hash) {
            let kept = place.get()?;
            if *kept.text == *key.text && fits(&kept.value) {
                return Some(&kept.value);
            }
        }
        None
    }

    /// Keeps a finding, which has `bytes` of its own.
    ///
    /// # Errors
    ///
    /// Gives it back when there is no room.
    #[cold]
    pub(crate) fn keep(&self, key: Key<'_>, bytes: usize, value: V) -> Result<&V, V> {
        let bytes = key.text.len() + bytes;
        if self.bytes.load(Relaxed) + bytes > CAPACITY {
            return Err(value);
        }
        let places = self.places.get_or_init(|| (0..PLACES).map(|_| OnceLock::new()).collect());
        let Some(free) = reach(places, key.hash).find(|place| place.get().is_none()) else {
            return Err(value);
        };
        // Of two who find the same place free one is kept; the other will come again.
        free.set(Box::new(Kept { text: key.text.into(), value })).map_err(|kept| kept.value)?;
        self.bytes.fetch_add(bytes, Relaxed);
        Ok(&free.get().expect("it was just set").value)
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }
}

#[inline]
fn reach<T>(places: &[T], hash: usize) -> impl Iterator<Item = &T> {
    (hash..hash + REACH).map(|place| &places[place % PLACES])
}

/// Good enough to spread texts over places; equality is decided by the texts themselves.
#[inline]
fn hash(text: &[u8], salt: u64) -> usize {
    let mut hash = text.len() as u64 ^ (salt << 32);
    let mut blocks = text.chunks_exact(32);
    if text.len() >= 32 {
        // A multiplication waits for the one before it; those of four lanes do not wait for each other.
        let mut lanes = [hash, 1, 2, 3];
        for block in &mut blocks {
            for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
                *lane = mixed(*lane, u64::from_le_bytes(word.try_into().expect("it has eight bytes")));
            }
        }
        hash = lanes.into_iter().reduce(mixed).unwrap_or(hash);
    }
    let mut words = blocks.remainder().chunks_exact(8);
    for word in &mut words {
        hash = mixed(hash, u64::from_le_bytes(word.try_into().expect("it has eight bytes")));
    }
    for byte in words.remainder() {
        hash = mixed(hash, u64::from(*byte));
    }
    // What comes last has reached only some of the bits; the upper ones are the well mixed ones.
    usize::try_from(mixed(hash, hash >> 32) >> 48).unwrap_or(0)
}

#[inline]
fn mixed(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_is_kept_is_found_by_text_and_fit() {
        let table = ByText::default();
        for (text, value) in [("a", 1), ("a", 2), ("", 3)] {
            assert_eq!(table.keep(key(text), 0, value), Ok(&value));
        }
        assert_eq!(table.find(key("a"), |it| *it == 2), Some(&2));
        assert_eq!(table.find(key("a"), |it| *it == 3), None);
        assert_eq!(table.find(key("b"), |_| true), None);
        assert_eq!(table.find(key(""), |_| true), Some(&3));
    }

    #[test]
    fn a_text_has_four_places_and_the_next_one_none() {
        let table = ByText::default();
        for value in 0..4 {
            assert!(table.keep(key("a"), 0, value).is_ok());
        }
        assert_eq!(table.keep(key("a"), 0, 4), Err(4));
    }

    #[test]
    fn what_belongs_to_a_text_counts() {
        let table = ByText::default();
        assert!(table.keep(key("a"), CAPACITY - 1, 0).is_ok());
        assert_eq!(table.bytes(), CAPACITY);
        assert_eq!(table.keep(key(""), 1, 0), Err(0));
    }

    #[test]
    fn long_texts_have_no_place() {
        assert!(Key::new(&[b' '; LONGEST], 0).is_some());
        assert!(Key::new(&[b' '; LONGEST + 1], 0).is_none());
    }

    /// Statements of a program differ in few bytes.
    #[test]
    fn similar_texts_are_spread() {
        for length in [1, 8, 31, 32, 100, 2000] {
            let text = |number: usize| format!("{:length$}{number}", "SELECT").into_bytes();
            let places: HashSet<_> = (0..1_000).map(|it| hash(&text(it), 0) % PLACES).collect();
            // A thousand balls leave about seven of a hundred urns at most empty, whoever throws them.
            assert!(places.len() > PLACES * 4 / 5, "{length}: {} of {PLACES}", places.len());
        }
    }

    fn key(text: &str) -> Key<'_> {
        Key::new(text.as_bytes(), 0).unwrap()
    }
}
