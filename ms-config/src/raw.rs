//! What was written.
//!
//! The tree of a file as its author wrote it, before anything is made of it: order and positions are kept, numbers
//! are still text. Only one thing is decided here, because every reader depends on it: of an object's equal keys
//! the last value counts, at the place of the first, as in the original.

use std::{borrow::Cow, collections::HashMap};

use jsonc_parser::ast;

use crate::{
    path::Path,
    report::{At, Problem, Report},
};

/// A value and the byte where it starts.
#[derive(Debug)]
pub(crate) struct Node<'t> {
    pub(crate) offset: usize,
    pub(crate) value: Value<'t>,
}

/// A value as written.
#[derive(Debug)]
pub(crate) enum Value<'t> {
    Null,
    Bool(bool),
    /// A JSON number, unread.
    Number(&'t str),
    String(Cow<'t, str>),
    Array(Vec<Node<'t>>),
    /// Keys are unique.
    Object(Vec<Member<'t>>),
}

/// A key of an object with its value.
#[derive(Debug)]
pub(crate) struct Member<'t> {
    pub(crate) key: Cow<'t, str>,
    pub(crate) key_offset: usize,
    pub(crate) node: Node<'t>,
}

impl Value<'_> {
    /// Object or array: the original does not tell them apart where a scalar is expected.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Object(_))
    }
}

impl<'t> Node<'t> {
    /// Takes the parser's tree over, noting duplicate keys.
    pub(crate) fn new(node: ast::Value<'t>, path: &Path<'_>, report: &mut Report<'_>) -> Self {
        match node {
            ast::Value::NullKeyword(it) => Self { offset: it.range.start, value: Value::Null },
            ast::Value::BooleanLit(it) => Self { offset: it.range.start, value: Value::Bool(it.value) },
            ast::Value::NumberLit(it) => Self { offset: it.range.start, value: Value::Number(it.value) },
            ast::Value::StringLit(it) => Self { offset: it.range.start, value: Value::String(it.value) },
            ast::Value::Array(it) => {
                let elements = it.elements.into_iter().enumerate();
                let elements = elements.map(|(at, node)| Node::new(node, &path.index(at), report)).collect();
                Self { offset: it.range.start, value: Value::Array(elements) }
            }
            ast::Value::Object(it) => {
                Self { offset: it.range.start, value: Value::Object(members(it.properties, path, report)) }
            }
        }
    }
}

/// Up to this many keys are compared with each other: most objects are server entries, and need no index.
const SMALL: usize = 16;

fn members<'t>(properties: Vec<ast::ObjectProp<'t>>, path: &Path<'_>, report: &mut Report<'_>) -> Vec<Member<'t>> {
    let mut members: Vec<Member<'t>> = Vec::with_capacity(properties.len());
    let mut index: HashMap<Cow<'t, str>, usize> = HashMap::new();
    let is_large = properties.len() > SMALL;
    for property in properties {
        let (key, key_offset) = match property.name {
            ast::ObjectPropName::String(it) => (it.value, it.range.start),
            ast::ObjectPropName::Word(it) => (Cow::Borrowed(it.value), it.range.start),
        };
        let node = Node::new(property.value, &path.key(&key), report);
        let first =
            if is_large { index.get(&key).copied() } else { members.iter().position(|member| member.key == key) };
        let Some(first) = first else {
            if is_large {
                index.insert(key.clone(), members.len());
            }
            members.push(Member { key, key_offset, node });
            continue;
        };

        let earlier = report.position(members[first].key_offset);
        let message = format!("duplicate key; this value replaces the one at {earlier}");
        report.add(At { path: &path.key(&key), offset: key_offset }, Problem::warning(message));
        members[first] = Member { key, key_offset, node };
    }
    members
}
