//! Reads sets of MySQL's ids, as leniently as the server does and no more.
//!
//! ```text
//! set    = { "," } [ server { "," { "," } server } ] { "," }
//! server = uuid { ":" part }
//! part   = tag | first [ "-" last ]                      a tag holds for the numbers behind it
//! uuid   = 8-4-4-4-12 hex digits, the same in braces, or 32 hex digits
//! ```
//!
//! White space may stand between any two of these. Measured on MySQL 9.7; the same list of spellings is compared with
//! a real server in ms-pool's `cluster_gtid_sets` test.

use std::collections::BTreeMap;

use super::{
    GtidSet, ServerUuid, Tag,
    intervals::{Intervals, LAST},
    set::Stream,
};
use crate::{
    ParseSetError,
    parse::{Cursor, MAX_PARTS},
};

pub(super) fn set(text: &str) -> Result<GtidSet, ParseSetError> {
    let mut at = Cursor::new(text)?;
    let mut streams: BTreeMap<Stream, Vec<(u64, u64)>> = BTreeMap::new();
    let mut parts = 0;
    loop {
        while at.skip_spaces().take(b',') {}
        if at.is_at_end() {
            break;
        }
        server(&mut at, &mut streams, &mut parts)?;
        if !at.is_at_end() && at.peek() != Some(b',') {
            return Err(at.expected("`,`"));
        }
    }
    let streams = streams.into_iter().map(|(stream, ranges)| (stream, Intervals::from_unordered(ranges)));
    Ok(GtidSet { streams: streams.filter(|(_, numbers)| !numbers.is_empty()).collect() })
}

fn server(
    at: &mut Cursor<'_>,
    streams: &mut BTreeMap<Stream, Vec<(u64, u64)>>,
    parts: &mut usize,
) -> Result<(), ParseSetError> {
    let server = uuid(at)?;
    let mut tag = None;
    while at.skip_spaces().take(b':') {
        *parts += 1;
        if *parts > MAX_PARTS {
            return Err(ParseSetError::TooManyParts);
        }
        match at.skip_spaces().peek() {
            Some(b'0'..=b'9') => streams.entry((server, tag)).or_default().push(range(at)?),
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => {
                let word = at.take_while(|b| b.is_ascii_alphanumeric() || b == b'_');
                tag = Some(Tag::parse(word).ok_or_else(|| at.expected("a tag of at most 32 characters"))?);
            }
            _ => return Err(at.expected("a number or a tag")),
        }
    }
    Ok(())
}

fn uuid(at: &mut Cursor<'_>) -> Result<ServerUuid, ParseSetError> {
    let braces = at.take(b'{');
    let word = at.take_while(|b| b.is_ascii_hexdigit() || b == b'-');
    let uuid = match word.len() {
        // Without its hyphens; no form mixes braces with that.
        32 if !braces => ServerUuid::parse(
            &[&word[..8], "-", &word[8..12], "-", &word[12..16], "-", &word[16..20], "-", &word[20..]].concat(),
        ),
        _ => ServerUuid::parse(word),
    };
    let closed = !braces || at.take(b'}');
    uuid.filter(|_| closed).ok_or_else(|| at.expected("the end of a server's uuid"))
}

/// `first[-last]`; may be empty, as `5-3` is, and even `1-0`.
fn range(at: &mut Cursor<'_>) -> Result<(u64, u64), ParseSetError> {
    let number = |at: &mut Cursor<'_>, lowest, expected| {
        at.skip_spaces().number().filter(|n| (lowest..=LAST).contains(n)).ok_or_else(|| at.expected(expected))
    };
    let first = number(at, 1, "a number within 1..=2^63-2")?;
    let last = if at.skip_spaces().take(b'-') { number(at, 0, "a number within 0..=2^63-2")? } else { first };
    Ok((first, last))
}
