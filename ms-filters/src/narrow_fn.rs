//! A closure as a filter that narrows.

use std::fmt;

use crate::{
    candidates::Candidates,
    filter::{Cx, Filter, Kind, Verdict},
    reason::Reason,
};

/// Makes a filter that narrows of a closure.
///
/// # Examples
///
/// Reads stay in their own data centre:
///
/// ```
/// use ms_filters::{Pipeline, Random, Role, narrow_fn};
///
/// let near = narrow_fn("near", |cx, candidates| {
///     let topology = cx.topology;
///     candidates.retain(|role, it| role == Role::Primary || topology.server(it).name().starts_with("fra-"));
/// });
/// let pipeline = Pipeline::new(vec![Box::new(near), Box::new(Random::new())])?;
/// # Ok::<(), ms_filters::PipelineError>(())
/// ```
pub fn narrow_fn<F>(name: impl Into<Box<str>>, narrow: F) -> NarrowFn<F>
where
    F: Fn(&mut Cx<'_>, &mut Candidates) + Send + Sync + 'static,
{
    NarrowFn { name: name.into(), narrow }
}

/// The filter that [`narrow_fn`] makes.
pub struct NarrowFn<F> {
    name: Box<str>,
    narrow: F,
}

impl<F> Filter for NarrowFn<F>
where
    F: Fn(&mut Cx<'_>, &mut Candidates) + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> Kind {
        Kind::Narrows
    }

    fn apply(&self, cx: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict {
        let before = (candidates.primaries().len(), candidates.replicas().len());
        (self.narrow)(cx, candidates);
        let after = (candidates.primaries().len(), candidates.replicas().len());
        Verdict::Keep(if before == after { Reason::Unchanged } else { Reason::Narrowed })
    }
}

impl<F> fmt::Debug for NarrowFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NarrowFn").field("name", &self.name).finish_non_exhaustive()
    }
}
