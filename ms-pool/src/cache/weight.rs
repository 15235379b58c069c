//! How much room an answer takes.
//!
//! How large a value of some type is in memory nobody can ask. What came over the wire for it can be counted, and values made of
//! it are about that large, give or take what each row and each allocation costs.

use sqlx_core::{decode::Decode, row::Row};
use sqlx_mysql::{MySql, MySqlRow};

/// A column that holds nothing but a number, or an empty text.
const COLUMN: usize = 24;
/// What an entry costs that keeps no rows at all.
const ENTRY: usize = 128;

/// The bytes of all columns, with what is needed to keep them.
pub(super) fn of(rows: &[MySqlRow]) -> usize {
    ENTRY + rows.iter().flat_map(columns).map(|bytes| COLUMN + bytes).sum::<usize>()
}

fn columns(row: &MySqlRow) -> impl Iterator<Item = usize> {
    (0..row.len()).map(|at| {
        let value = row.try_get_raw(at).ok();
        value.and_then(|value| <&[u8] as Decode<MySql>>::decode(value).ok()).map_or(0, <[u8]>::len)
    })
}
