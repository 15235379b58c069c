//! Whole numbers within a range, for keys that the original had.

use super::object::Field;
use crate::{
    read,
    report::{Problem, Report},
};

/// What a number may be.
pub(super) struct Range {
    least: u32,
    most: u32,
    /// What else a message says about it.
    note: &'static str,
}

impl Range {
    pub(super) fn new(least: u32, most: u32) -> Self {
        Self { least, most, note: "" }
    }

    /// As [`Range::new`] from 0, which does not mean "none".
    pub(super) fn unlimited_by_zero(most: u32) -> Self {
        Self { least: 0, most, note: ", where 0 means no limit" }
    }

    /// The number at `field`. What is no number is bent into one with a warning, as the original did; `list` and
    /// `outside` are the original's words for a list and for a number out of range.
    pub(super) fn read(
        &self,
        report: &mut Report<'_>,
        field: &Field<'_>,
        list: impl Into<String>,
        outside: impl FnOnce(i64) -> String,
    ) -> Option<u32> {
        let accepted = format!("a whole number from {} to {}{}", self.least, self.most, self.note);
        let value = match read::integer(field.node) {
            read::Integer::Exact(value) => value,
            read::Integer::Bent(value) => {
                let message = format!("not a whole number; read as {value}, as the original did");
                report.add(field.at(), Problem::warning(message).accepted(&accepted));
                value
            }
            read::Integer::List => {
                report.add(field.at(), Problem::error(list).accepted(accepted));
                return None;
            }
        };
        let within = u32::try_from(value).ok().filter(|value| (self.least..=self.most).contains(value));
        if within.is_none() {
            report.add(field.at(), Problem::error(outside(value)).accepted(accepted));
        }
        within
    }

    /// As [`Range::read`], for a range that ends at 65535 at most.
    pub(super) fn read_u16(
        &self,
        report: &mut Report<'_>,
        field: &Field<'_>,
        list: impl Into<String>,
        outside: impl FnOnce(i64) -> String,
    ) -> Option<u16> {
        self.read(report, field, list, outside).and_then(|value| u16::try_from(value).ok())
    }
}
