//! A measurement and its bar.

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// What was measured.
    pub(super) what: String,
    value: f64,
    unit: Unit,
    bar: Bar,
    /// Between which values the middle half lies, where there were many.
    spread: Option<(f64, f64)>,
}

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// How many times something else.
    Times,
    /// More than something else, in percent of it.
    PercentMore,
    /// Instructions of the client.
    Instructions,
    /// Time, kept in nanoseconds.
    Nanoseconds,
    /// Memory.
    Bytes,
}

/// What was promised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bar {
    /// Not more than that.
    AtMost(f64),
    /// Not less than that.
    AtLeast(f64),
    /// Nothing; the value is there to understand others.
    None,
}

/// Whether a promise was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    Missed,
    /// There is no bar.
    Unasked,
}

impl Row {
    pub(super) fn new(what: impl Into<String>, value: f64, unit: Unit, bar: Bar) -> Self {
        Self { what: what.into(), value, unit, bar, spread: None }
    }

    pub(super) fn spread(self, low: f64, high: f64) -> Self {
        Self { spread: Some((low, high)), ..self }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let met = match self.bar {
            Bar::AtMost(limit) => self.value <= limit,
            Bar::AtLeast(limit) => self.value >= limit,
            Bar::None => return Verdict::Unasked,
        };
        if met { Verdict::Met } else { Verdict::Missed }
    }

    pub(super) fn measured(&self) -> String {
        let value = self.unit.show(self.value);
        match self.spread {
            Some((low, high)) => format!("{value} ({low:.2}–{high:.2})"),
            None => value,
        }
    }

    pub(super) fn bar(&self) -> String {
        match self.bar {
            Bar::AtMost(limit) => format!("≤ {}", self.unit.show(limit)),
            Bar::AtLeast(limit) => format!("≥ {}", self.unit.show(limit)),
            Bar::None => String::new(),
        }
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Unit::Times => format!("{value:.2}x"),
            Unit::PercentMore => format!("{value:+.1} %"),
            Unit::Instructions => format!("{value:.0} instructions"),
            Unit::Bytes => format!("{value:.0} bytes"),
            Unit::Nanoseconds if value >= 1e6 => format!("{:.1} ms", value / 1e6),
            Unit::Nanoseconds if value >= 10e3 => format!("{:.1} µs", value / 1e3),
            Unit::Nanoseconds => format!("{value:.1} ns"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_met_or_missed_and_reads_as_it_was_promised() {
        check(Row::new("", 0.95, Unit::Times, Bar::AtLeast(0.95)), "0.95x", "≥ 0.95x", Verdict::Met);
        check(Row::new("", 0.949, Unit::Times, Bar::AtLeast(0.95)), "0.95x", "≥ 0.95x", Verdict::Missed);
        check(Row::new("", 8.04, Unit::PercentMore, Bar::AtMost(8.0)), "+8.0 %", "≤ +8.0 %", Verdict::Missed);
        check(
            Row::new("", 349.6, Unit::Instructions, Bar::AtMost(350.0)),
            "350 instructions",
            "≤ 350 instructions",
            Verdict::Met,
        );
        check(Row::new("", 12.34, Unit::Nanoseconds, Bar::None), "12.3 ns", "", Verdict::Unasked);
        check(Row::new("", 61_234.0, Unit::Nanoseconds, Bar::AtMost(80e3)), "61.2 µs", "≤ 80.0 µs", Verdict::Met);
        let spread = Row::new("", 2.5, Unit::Times, Bar::None).spread(2.25, 3.0);
        check(spread, "2.50x (2.25–3.00)", "", Verdict::Unasked);
    }

    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "rows are made for the check")]
    fn check(row: Row, measured: &str, bar: &str, verdict: Verdict) {
        assert_eq!((&*row.measured(), &*row.bar(), row.verdict()), (measured, bar, verdict));
    }
}
