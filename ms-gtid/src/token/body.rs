//! Positions as bytes.
//!
//! Sets are written as what a set adds to the one before: ranges by their distance from each other, a server's bytes once for all its tags.
//! What was read has the same limits as what was collected, and is checked as if a server had printed it.

use super::{
    TokenError,
    bytes::{self, Reader},
    flag,
};
use crate::{
    Position, Value,
    mariadb::{self, Gtid},
    mysql::{self, ServerUuid, Tag},
};

/// Beside the length of a tag: its server is that of the stream before.
const SAME_SERVER: u8 = 1 << 6;

/// Writes a position, or if that makes `token` longer than `most`, a larger one. Answers which parts there are.
pub(super) fn write(token: &mut Vec<u8>, position: &Position, most: usize) -> u8 {
    let start = token.len();
    // A set of one range per server and tag is as short as it gets.
    let mut ranges = position.mysql().interval_count();
    loop {
        let mut set = position.mysql().clone();
        set.widen(ranges);
        if let Some(flags) = exactly(token, position, &set)
            && token.len() <= most
        {
            return flags;
        }
        token.truncate(start);
        if ranges == 0 {
            return flag::SATURATED;
        }
        ranges /= 2;
    }
}

/// As it is, with this set in place of its own; `None` if there is a number in it that no server gives.
fn exactly(token: &mut Vec<u8>, position: &Position, set: &mysql::GtidSet) -> Option<u8> {
    let mut flags = 0;
    if !set.is_empty() {
        flags |= flag::MYSQL;
        write_mysql(token, set)?;
    }
    if !position.mariadb().is_empty() {
        flags |= flag::MARIADB;
        bytes::put_count(token, position.mariadb().len());
        for Gtid { domain, server, sequence } in position.mariadb().entries() {
            bytes::put(token, domain.into());
            bytes::put(token, server.into());
            bytes::put(token, sequence);
        }
    }
    if let Some(count) = position.count() {
        flags |= flag::COUNTER;
        bytes::put(token, count);
    }
    if position.values().next().is_some() {
        flags |= flag::VALUES;
        bytes::put_count(token, position.values().count());
        for value in position.values() {
            bytes::put_count(token, value.as_str().len());
            token.extend(value.as_str().as_bytes());
        }
    }
    if position.is_saturated() {
        flags |= flag::SATURATED;
    }
    Some(flags)
}

fn write_mysql(token: &mut Vec<u8>, set: &mysql::GtidSet) -> Option<()> {
    bytes::put_count(token, set.streams().count());
    let mut before = None;
    for (server, tag, ranges) in set.streams() {
        let tag = tag.as_ref().map_or("", Tag::as_str);
        let length = u8::try_from(tag.len()).expect("a tag has at most 32 bytes");
        if before == Some(server) {
            token.push(length | SAME_SERVER);
        } else {
            token.push(length);
            token.extend(server.to_bytes());
        }
        before = Some(server);
        token.extend(tag.as_bytes());
        bytes::put_count(token, ranges.len());
        let mut lowest = 1;
        for (first, last) in ranges {
            bytes::put(token, first.checked_sub(lowest)?);
            bytes::put(token, last - first);
            if *last > mysql::LAST {
                return None;
            }
            lowest = last + 2; // One at least is missing between two ranges.
        }
    }
    Some(())
}

/// Reads the rest of a token, all of it.
pub(super) fn read(flags: u8, mut rest: Reader<'_>) -> Result<Position, TokenError> {
    let rest = &mut rest;
    let mut position = Position::new();
    if flags & flag::MYSQL != 0 {
        position.merge(&read_mysql(rest)?.into());
    }
    if flags & flag::MARIADB != 0 {
        position.merge(&read_mariadb(rest)?.into());
    }
    if flags & flag::COUNTER != 0 {
        position.merge(&Position::counter(rest.number("counter")?));
    }
    if flags & flag::VALUES != 0 {
        let part = "value";
        for _ in 0..rest.count(Position::MAX_VALUES, part)? {
            let length = rest.count(Value::MAX, part)?;
            let value = std::str::from_utf8(rest.take(length, part)?).ok().and_then(|text| Value::new(text).ok());
            position.merge(&Position::value(value.ok_or(TokenError::Malformed { part })?));
        }
    }
    if flags & flag::SATURATED != 0 {
        position.merge(&Position::saturated());
    }
    if rest.is_at_end() { Ok(position) } else { Err(TokenError::Malformed { part: "end" }) }
}

fn read_mysql(rest: &mut Reader<'_>) -> Result<mysql::GtidSet, TokenError> {
    let part = "GTID set of MySQL";
    let malformed = TokenError::Malformed { part };
    let mut set = mysql::GtidSet::new();
    let mut before = None;
    let mut left = Position::MAX_RANGES;
    for _ in 0..rest.count(left, part)? {
        let head = rest.byte(part)?;
        let server = match (head & SAME_SERVER, before) {
            (0, _) => ServerUuid::from_bytes(rest.take(16, part)?.try_into().expect("it is so long")),
            (_, before) => before.ok_or_else(|| malformed.clone())?,
        };
        before = Some(server);
        let tag = match head & !SAME_SERVER {
            0 => None,
            length => {
                let text = std::str::from_utf8(rest.take(length.into(), part)?).ok();
                Some(text.and_then(Tag::parse).ok_or_else(|| malformed.clone())?)
            }
        };
        let count = rest.count(left, part)?;
        left -= count;
        let mut ranges = Vec::with_capacity(count);
        let mut lowest = 1_u64;
        for _ in 0..count {
            let first = lowest.checked_add(rest.number(part)?);
            let length = rest.number(part)?;
            let last = first.and_then(|first| first.checked_add(length)).filter(|last| *last <= mysql::LAST);
            let (Some(first), Some(last)) = (first, last) else {
                return Err(malformed);
            };
            ranges.push((first, last));
            lowest = last + 2;
        }
        set.add(server, tag, ranges);
    }
    Ok(set)
}

fn read_mariadb(rest: &mut Reader<'_>) -> Result<mariadb::GtidSet, TokenError> {
    let part = "GTIDs of MariaDB";
    let small = |number| u32::try_from(number).map_err(|_| TokenError::Malformed { part });
    let mut set = mariadb::GtidSet::new();
    for _ in 0..rest.count(Position::MAX_RANGES, part)? {
        let domain = small(rest.number(part)?)?;
        let server = small(rest.number(part)?)?;
        set.insert(Gtid { domain, server, sequence: rest.number(part)? });
    }
    Ok(set)
}
