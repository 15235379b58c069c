//! Keys of an object: found, misspelled, given twice.

use crate::{
    path::Path,
    raw::{Member, Node, Value},
    read,
    report::{At, Problem, Report},
};

/// An object of the file, or the empty array, which PHP writes for an empty one.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) members: &'a [Member<'a>],
    pub(super) path: &'a Path<'a>,
    offset: usize,
}

/// A key with its value.
pub(super) struct Field<'a> {
    pub(super) key: &'a str,
    pub(super) node: &'a Node<'a>,
    pub(super) path: Path<'a>,
    key_offset: usize,
}

impl<'a> Object<'a> {
    /// The object at `node`; `None` when there is something else.
    pub(super) fn new(node: &'a Node<'a>, path: &'a Path<'a>) -> Option<Self> {
        let members = match &node.value {
            Value::Object(members) => members.as_slice(),
            Value::Array(elements) if elements.is_empty() => &[],
            _ => return None,
        };
        Some(Self { members, path, offset: node.offset })
    }

    /// As [`Object::new`], with an error for something else.
    pub(super) fn expect(report: &mut Report<'_>, field: &'a Field<'a>, accepted: &str) -> Option<Self> {
        let object = Self::new(field.node, &field.path);
        if object.is_none() {
            report.add(field.at(), Problem::error("must be an object").accepted(accepted));
        }
        object
    }

    /// Where the object itself is.
    pub(super) fn at(&self) -> At<'a> {
        At { path: self.path, offset: self.offset }
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let path = self.path;
        self.members.iter().map(move |member| Field::new(member, path))
    }

    pub(super) fn get(&self, key: &str) -> Option<Field<'a>> {
        self.members.iter().find(|member| member.key == key).map(|member| Field::new(member, self.path))
    }

    /// The value of whichever of some spellings is there. More than one is an error that names them.
    pub(super) fn one_of(&self, report: &mut Report<'_>, spellings: &[&str]) -> Option<Field<'a>> {
        let mut found = self.fields().filter(|field| spellings.contains(&field.key));
        let first = found.next()?;
        for another in found {
            let message = format!("`{}` and `{}` mean the same; give only one of them", first.key, another.key);
            report.add(another.at_key(), Problem::error(message));
        }
        Some(first)
    }

    /// Warns of every key that is not among `known`.
    pub(super) fn warn_unknown(&self, report: &mut Report<'_>, known: &[&str]) {
        self.warn_unknown_but(report, known, &[]);
    }

    /// As [`Object::warn_unknown`], without the keys that somebody else speaks of.
    pub(super) fn warn_unknown_but(&self, report: &mut Report<'_>, known: &[&str], others: &[&str]) {
        for field in self.fields().filter(|field| !known.contains(&field.key) && !others.contains(&field.key)) {
            let problem = Problem::warning(format!("unknown key `{}` is ignored", field.key));
            let problem = problem.meant(field.key, known.iter().copied());
            // A list of two dozen helps only where there is no better hint.
            let problem = if problem.has_suggestion() { problem } else { problem.accepted(listed(known)) };
            report.add(field.at_key(), problem);
        }
    }
}

impl<'a> Field<'a> {
    fn new(member: &'a Member<'a>, parent: &'a Path<'a>) -> Self {
        Self { key: &member.key, node: &member.node, path: parent.key(&member.key), key_offset: member.key_offset }
    }

    /// An element of an array, which has no key.
    pub(super) fn element(node: &'a Node<'a>, index: usize, parent: &'a Path<'a>) -> Self {
        Self { key: "", node, path: parent.index(index), key_offset: node.offset }
    }

    /// Where the value is.
    pub(super) fn at(&self) -> At<'_> {
        At { path: &self.path, offset: self.node.offset }
    }

    /// Where the key is.
    pub(super) fn at_key(&self) -> At<'_> {
        At { path: &self.path, offset: self.key_offset }
    }

    /// A text, for keys that the original did not have: a string or an error.
    pub(super) fn text(&self, report: &mut Report<'_>, accepted: &str) -> Option<&'a str> {
        match &self.node.value {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => {
                report.add(self.at(), Problem::error("must be a text that is not empty").accepted(accepted));
                None
            }
        }
    }

    /// A text, for keys that the original had: scalars are coerced, `null` is as if the key were not there.
    pub(super) fn scalar(&self, report: &mut Report<'_>) -> Option<String> {
        self.scalar_or(report, || format!("Invalid value for {}. Cannot be a list/hash' . Stopping", self.key))
    }

    /// As [`Field::scalar`], with other words for a list.
    pub(super) fn scalar_or(&self, report: &mut Report<'_>, list: impl FnOnce() -> String) -> Option<String> {
        match read::text(self.node) {
            read::Scalar::Nothing => None,
            read::Scalar::Text(text) => Some(text.into_owned()),
            read::Scalar::List => {
                report.add(self.at(), Problem::error(list()).accepted("a text"));
                None
            }
        }
    }

    /// A switch, with the original's words for a list.
    pub(super) fn switch_or(&self, report: &mut Report<'_>, list: impl FnOnce() -> String) -> Option<bool> {
        if self.node.value.is_list() {
            report.add(self.at(), Problem::error(list()).accepted(read::SWITCH));
            return None;
        }
        read::switch(report, self.at(), self.node)
    }

    /// For keys of the original, where `null` is as if the key were not there.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// Some texts: a string, or an array of strings.
    pub(super) fn texts(&self, report: &mut Report<'_>, accepted: &str) -> Vec<String> {
        let Value::Array(elements) = &self.node.value else {
            return self.text(report, accepted).map(str::to_owned).into_iter().collect();
        };
        let mut texts = Vec::with_capacity(elements.len());
        for (index, node) in elements.iter().enumerate() {
            let element = Field::element(node, index, &self.path);
            texts.extend(element.text(report, accepted).map(str::to_owned));
        }
        texts
    }
}

/// Names for a message.
pub(super) fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
