//! Where in the tree.
//!
//! A path is only needed when something is wrong, so walking the tree only links the steps on the stack.

use std::fmt;

/// The steps from the top of a file to one value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Path<'p> {
    Top,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Path<'_> {
    pub(crate) fn key<'p>(&'p self, key: &'p str) -> Path<'p> {
        Path::Key(self, key)
    }

    pub(crate) fn index(&self, index: usize) -> Path<'_> {
        Path::Index(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Top => Ok(()),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
            // A key with a dot in it would look like two.
            Self::Key(parent, key) if !is_plain(key) => write!(f, "{parent}[{key:?}]"),
            Self::Key(Path::Top, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
        }
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_an_expression() {
        let shop = Path::Top.key("shop");
        let replicas = shop.key("slave");
        assert_eq!(replicas.index(3).key("port").to_string(), "shop.slave[3].port");
        assert_eq!(shop.key("a.b").to_string(), r#"shop["a.b"]"#);
        assert_eq!(Path::Top.key("").to_string(), r#"[""]"#);
    }
}
