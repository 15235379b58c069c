//! Lets a comment name the part of the cluster that a statement may use.
//!
//! `/*reports*/ SELECT …` restricts the statement to the servers of the group `reports`. The comment must be the name and
//! nothing else, byte for byte, and stand before the statement; the first one that names a group counts. Other hints
//! stand in comments of their own beside it. A statement that names no group may use every server.
//!
//! A group may have no replicas: reads that name it are then up to failover.

use ms_hints::{Comment, CommentStyle};

use crate::{
    candidates::Candidates,
    filter::{Cx, Filter, Kind, Verdict},
    reason::Reason,
    server::PerRole,
};

/// A named part of the servers, by their positions among the configured servers of their role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeGroup {
    /// The comment that asks for it.
    pub name: String,
    /// Positions among the primaries.
    pub primaries: Vec<usize>,
    /// Positions among the replicas.
    pub replicas: Vec<usize>,
}

/// The `node_groups` filter.
#[derive(Clone, Debug)]
pub struct NodeGroups {
    /// Sorted by name: a configuration may have hundreds of groups, and every leading comment is looked up.
    groups: Box<[Group]>,
}

#[derive(Clone, Debug)]
struct Group {
    name: Box<[u8]>,
    /// Whether the server at a position of its role belongs to the group.
    members: PerRole<Box<[bool]>>,
}

impl NodeGroups {
    /// A filter that knows these groups. Of two with the same name the later one counts.
    #[must_use]
    pub fn new(groups: impl IntoIterator<Item = NodeGroup>) -> Self {
        let mut groups: Vec<Group> = groups.into_iter().map(Group::new).collect();
        groups.reverse();
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        groups.dedup_by(|later, first| later.name == first.name);
        NodeGroups { groups: groups.into() }
    }

    fn named_by(&self, comment: &Comment<'_>) -> Option<&Group> {
        match comment.style {
            CommentStyle::Block | CommentStyle::Executable => self.find(comment.text),
            CommentStyle::Dashes | CommentStyle::Hash => None,
        }
    }

    fn find(&self, name: &[u8]) -> Option<&Group> {
        let position = self.groups.binary_search_by(|it| (*it.name).cmp(name)).ok()?;
        self.groups.get(position)
    }
}

impl Group {
    fn new(group: NodeGroup) -> Self {
        let members = |positions: &[usize]| {
            let mut members = vec![false; positions.iter().max().map_or(0, |last| last + 1)];
            positions.iter().for_each(|it| members[*it] = true);
            members.into()
        };
        let members = PerRole { primary: members(&group.primaries), replica: members(&group.replicas) };
        Group { name: group.name.into_bytes().into(), members }
    }
}

impl Filter for NodeGroups {
    fn name(&self) -> &str {
        "node_groups"
    }

    fn kind(&self) -> Kind {
        Kind::Narrows
    }

    fn knows_group(&self, name: &str) -> bool {
        self.find(name.as_bytes()).is_some()
    }

    fn apply(&self, cx: &mut Cx<'_>, candidates: &mut Candidates) -> Verdict {
        if cx.request.is_pinned() {
            return Verdict::Keep(Reason::Pinned);
        }
        let group = match cx.request.group {
            Some(name) => self.find(name.as_bytes()),
            // Nothing stands before most statements.
            None if cx.request.statement.body == 0 => None,
            None => cx.request.statement.leading_comments().find_map(|it| self.named_by(&it)),
        };
        let Some(group) = group else { return Verdict::Keep(Reason::Unchanged) };
        let topology = cx.topology;
        candidates.retain(|role, it| {
            let first = topology.list(role).first().map_or(0, |it| it.index());
            group.members.of(role).get(it.index() - first).copied().unwrap_or(false)
        });
        Verdict::Keep(Reason::Group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    #[test]
    fn of_two_groups_with_one_name_the_later_counts() {
        let group =
            |name: &str, replica| NodeGroup { name: name.to_owned(), primaries: vec![0], replicas: vec![replica] };
        let groups = NodeGroups::new([group("b", 0), group("a", 1), group("b", 2)]);
        assert_eq!(groups.groups.len(), 2);
        assert_eq!(*groups.find(b"b").unwrap().members.of(Role::Replica), [false, false, true].into());
        assert!(groups.find(b"B").is_none());
    }
}
