//! Filters in a row: any number that narrow, then exactly one that picks.

use std::{any::Any, fmt};

use crate::{
    filter::{Filter, Kind},
    random::Random,
};

/// Filters in a valid order.
#[derive(Debug)]
pub struct Pipeline {
    /// All but the last.
    narrowing: Box<[Box<dyn Filter>]>,
    picker: Box<dyn Filter>,
    /// The last one, if it is this crate's `random`, which is asked without the detour by the trait.
    random: Option<Random>,
    /// How the last one picks; asked once, because every statement depends on it.
    kind: Kind,
}

impl Pipeline {
    /// Checks the order; no filters at all give the original's default, `random` that sticks to its choice.
    ///
    /// # Errors
    ///
    /// Fails when anything follows a filter that picks, or when the last one does not pick.
    pub fn new(filters: Vec<Box<dyn Filter>>) -> Result<Self, PipelineError> {
        if filters.len() > MOST {
            return Err(PipelineError::TooLong { count: filters.len() });
        }
        let mut filters = filters;
        let Some(picker) = filters.pop() else {
            return Ok(Pipeline::default());
        };
        let name = |it: &dyn Filter| it.name().to_owned();
        if let Some(position) = filters.iter().position(|it| it.kind().ends_the_pipeline()) {
            let behind = filters.get(position + 1).unwrap_or(&picker);
            return Err(PipelineError::Unreachable { filter: name(&**behind), picker: name(&*filters[position]) });
        }
        match picker.kind() {
            Kind::Narrows => Err(PipelineError::NothingPicks { last: name(&*picker) }),
            kind => Ok(Pipeline { narrowing: filters.into(), random: as_random(&*picker), picker, kind }),
        }
    }

    /// How many filters there are, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.narrowing.len() + 1
    }

    /// The name of the filter at `position`, `?` where there is none.
    #[must_use]
    pub fn name(&self, position: usize) -> &str {
        let behind = (position == self.narrowing.len()).then_some(&self.picker);
        self.narrowing.get(position).or(behind).map_or("?", |it| it.name())
    }

    /// Whether one of them looks at [`Request::tables`](crate::Request::tables), so that somebody has to find them.
    #[must_use]
    pub fn wants_tables(&self) -> bool {
        self.narrowing.iter().any(|it| it.wants_tables()) || self.picker.wants_tables()
    }

    /// Whether one of them knows a group of servers by this name.
    #[must_use]
    pub fn knows_group(&self, name: &str) -> bool {
        self.narrowing.iter().any(|it| it.knows_group(name)) || self.picker.knows_group(name)
    }

    #[inline]
    pub(crate) fn random(&self) -> Option<Random> {
        self.random
    }

    #[inline]
    pub(crate) fn picker(&self) -> &dyn Filter {
        &*self.picker
    }

    /// Whether the last filter picks by itself, so that no side is chosen for it.
    #[inline]
    pub(crate) fn picks_by_itself(&self) -> bool {
        self.kind == Kind::Picks
    }

    #[inline]
    pub(crate) fn narrowing(&self) -> &[Box<dyn Filter>] {
        &self.narrowing
    }
}

fn as_random(filter: &dyn Filter) -> Option<Random> {
    (filter as &dyn Any).downcast_ref().copied()
}

impl Default for Pipeline {
    fn default() -> Self {
        let picker = Random::sticky();
        Pipeline { narrowing: Box::default(), kind: picker.kind(), random: Some(picker), picker: Box::new(picker) }
    }
}

/// A decision names its filters by one byte, of which the last value is the router itself.
const MOST: usize = 255;

/// Filters in an order that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PipelineError {
    /// Something follows a filter that picks.
    Unreachable {
        /// What would never be asked.
        filter: String,
        /// What stands before it and picks.
        picker: String,
    },
    /// The last filter narrows.
    NothingPicks {
        /// The last filter.
        last: String,
    },
    /// More filters than a decision can name.
    TooLong {
        /// How many there are.
        count: usize,
    },
}

impl fmt::Display for PipelineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PipelineError::Unreachable { filter, picker } => write!(
                f,
                "filter `{filter}` stands behind `{picker}`, which picks the server already (Error while creating \
                 filter '{filter}' . Non-multi filter '{picker}' already created. Stopping)"
            ),
            PipelineError::NothingPicks { last } => write!(
                f,
                "the last filter `{last}` picks no server, a load balancer must follow it (Error in configuration. \
                 Last filter is multi filter. Needs to be non-multi one. Stopping)"
            ),
            PipelineError::TooLong { count } => write!(f, "there are at most {MOST} filters, not `{count}`"),
        }
    }
}

impl std::error::Error for PipelineError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RoundRobin, narrow_fn};

    #[test]
    fn without_filters_it_is_random_that_sticks() {
        assert_eq!(check(&[]), Ok(vec!["random".to_owned()]));
        assert!(format!("{:?}", Pipeline::default()).contains("Sticky"));
    }

    #[test]
    fn filters_that_narrow_come_first_and_one_picks() {
        assert!(check(&["narrow", "narrow", "roundrobin"]).is_ok());
        assert!(check(&["random"]).is_ok());
    }

    #[test]
    fn nothing_follows_a_filter_that_picks() {
        let text = check(&["random", "narrow", "roundrobin"]).unwrap_err();
        assert!(
            text.contains("Error while creating filter 'narrow' . Non-multi filter 'random' already created. Stopping"),
            "{text}"
        );
    }

    #[test]
    fn the_last_filter_picks() {
        let text = check(&["narrow"]).unwrap_err();
        let original = "Error in configuration. Last filter is multi filter. Needs to be non-multi one. Stopping";
        assert!(text.contains(original), "{text}");
    }

    fn check(names: &[&str]) -> Result<Vec<String>, String> {
        let filter = |name: &&str| -> Box<dyn Filter> {
            match *name {
                "random" => Box::new(Random::new()),
                "roundrobin" => Box::new(RoundRobin::new()),
                other => Box::new(narrow_fn(other, |_, _| {})),
            }
        };
        let pipeline = Pipeline::new(names.iter().map(filter).collect()).map_err(|it| it.to_string())?;
        Ok((0..pipeline.len()).map(|it| pipeline.name(it).to_owned()).collect())
    }
}
