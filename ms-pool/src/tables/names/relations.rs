//! Statements that have to be parsed, and which of the names in them are tables.
//!
//! A name behind `FROM` may be that of a common table expression. It hides a table of the same name in the query that it
//! belongs to, in all that is nested there, and in the expressions behind it; not in its own, unless that is recursive.

use std::{ops::ControlFlow, thread};

use sqlparser::{
    ast::{Ident, ObjectName, ObjectNamePart, Query, Statement, Visit, Visitor},
    dialect::MySqlDialect,
    parser::{Parser, ParserError},
    tokenizer::Token,
};

use super::{Name, familiar::familiar, shape::Shape};

/// What is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Statement,
    /// With commas between them.
    Expressions,
}

/// The tables of one statement; `None` when it cannot be parsed.
pub(super) fn of(tokens: &[Token], kind: Kind) -> Option<Vec<Name>> {
    let said = familiar(tokens);
    match Shape::of(&said) {
        // Prefixes such as `NOT` nest, too, and not every error that comes of that says so.
        Shape::Flat => parse(said, kind, Shape::Flat).ok().or_else(|| on_a_large_stack(familiar(tokens), kind)),
        Shape::Deep => on_a_large_stack(said, kind),
        Shape::TooDeep => None,
    }
}

fn on_a_large_stack(tokens: Vec<Token>, kind: Kind) -> Option<Vec<Name>> {
    let thread = thread::Builder::new().stack_size(Shape::LARGE_STACK);
    let parsed = thread.spawn(move || parse(tokens, kind, Shape::Deep).ok()).ok()?;
    parsed.join().ok().flatten()
}

fn parse(tokens: Vec<Token>, kind: Kind, shape: Shape) -> Result<Vec<Name>, ParserError> {
    let mut parser = Parser::new(&MySqlDialect {}).with_recursion_limit(shape.recursion()).with_tokens(tokens);
    let mut reader = Reader::default();
    match kind {
        Kind::Statement => reader.read(&parser.parse_statement()?),
        Kind::Expressions => {
            let expressions = parser.parse_comma_separated(Parser::parse_expr)?;
            let _ = expressions.visit(&mut reader);
        }
    }
    match parser.peek_token_ref().token {
        Token::EOF => Ok(reader.names),
        _ => Err(ParserError::ParserError("there is more".to_owned())),
    }
}

/// Collects the names that are tables.
#[derive(Default)]
struct Reader {
    names: Vec<Name>,
    /// The queries around the place that is looked at.
    queries: Vec<Scope>,
}

impl Reader {
    fn read(&mut self, statement: &Statement) {
        let _ = match statement {
            // `DELETE FROM a USING t AS a`: what is deleted from are names of what is behind.
            Statement::Delete(delete) if delete.using.is_some() => {
                let _ = delete.using.visit(self);
                delete.selection.visit(self)
            }
            statement => statement.visit(self),
        };
    }
}

/// The common table expressions of one query.
#[derive(Default)]
struct Scope {
    recursive: bool,
    names: Vec<String>,
    /// Where the query of each one is; compared and never followed.
    queries: Vec<*const Query>,
    /// How many of them can be named at the place that is looked at.
    visible: usize,
}

impl Scope {
    fn of(query: &Query) -> Self {
        let Some(with) = &query.with else {
            return Self::default();
        };
        Self {
            recursive: with.recursive,
            names: with.cte_tables.iter().map(|it| it.alias.name.value.clone()).collect(),
            queries: with.cte_tables.iter().map(|it| &raw const *it.query).collect(),
            visible: with.cte_tables.len(),
        }
    }

    /// Which of the expressions a query is.
    fn position(&self, query: &Query) -> Option<usize> {
        self.queries.iter().position(|it| std::ptr::eq(*it, query))
    }

    fn has(&self, name: &str) -> bool {
        self.names[..self.visible].iter().any(|it| it == name)
    }
}

impl Visitor for Reader {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(around) = self.queries.last_mut()
            && let Some(position) = around.position(query)
        {
            around.visible = position + usize::from(around.recursive);
        }
        self.queries.push(Scope::of(query));
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.queries.pop();
        if let Some(around) = self.queries.last_mut()
            && around.position(query).is_some()
        {
            around.visible = around.names.len();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let parts: Vec<&Ident> = relation.0.iter().filter_map(ObjectNamePart::as_ident).collect();
        match parts[..] {
            [table] if self.queries.iter().any(|it| it.has(&table.value)) => {}
            [table] => self.names.push(Name { database: None, table: table.value.clone() }),
            [.., database, table] => {
                self.names.push(Name { database: Some(database.value.clone()), table: table.value.clone() });
            }
            [] => {}
        }
        ControlFlow::Continue(())
    }
}
