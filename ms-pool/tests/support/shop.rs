//! Configuration files for tests: one section, `shop`, with servers that need not exist.

#![allow(dead_code, reason = "each test binary uses its own part")]

use ms_pool::{Builder, Cluster};

/// The text of a file, as it grows.
#[derive(Clone)]
pub(crate) struct Shop {
    user: String,
    password: String,
    primaries: Vec<String>,
    replicas: Vec<String>,
    rest: String,
}

/// A server's address, as an entry of the file spells it.
pub(crate) fn tcp(host: &str, port: u16) -> String {
    format!(r#""host": "{host}", "port": {port}"#)
}

/// A server behind a Unix socket.
pub(crate) fn socket(path: &str) -> String {
    format!(r#""host": "localhost", "socket": "{path}""#)
}

/// A port on which nobody listens.
pub(crate) fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Shop {
    /// No servers yet; `app` will log in.
    pub(crate) fn new() -> Self {
        let (user, password) = ("app".to_owned(), "app".to_owned());
        Self { user, password, primaries: Vec::new(), replicas: Vec::new(), rest: String::new() }
    }

    /// The account for servers added from here on.
    pub(crate) fn account(mut self, user: &str, password: &str) -> Self {
        user.clone_into(&mut self.user);
        password.clone_into(&mut self.password);
        self
    }

    pub(crate) fn primary(mut self, name: &str, address: &str) -> Self {
        let entry = self.entry(name, address);
        self.primaries.push(entry);
        self
    }

    pub(crate) fn replica(mut self, name: &str, address: &str) -> Self {
        let entry = self.entry(name, address);
        self.replicas.push(entry);
        self
    }

    fn entry(&self, name: &str, address: &str) -> String {
        let Self { user, password, .. } = self;
        format!(r#""{name}": {{{address}, "user": "{user}", "password": "{password}", "db": "test"}}"#)
    }

    /// Another key of the section: `"compat": "classic"`.
    pub(crate) fn with(mut self, key: &str) -> Self {
        self.rest += ", ";
        self.rest += key;
        self
    }

    pub(crate) fn text(&self) -> String {
        let (primaries, replicas) = (self.primaries.join(", "), self.replicas.join(", "));
        format!(r#"{{"shop": {{"master": {{{primaries}}}, "slave": {{{replicas}}} {}}}}}"#, self.rest)
    }

    pub(crate) fn builder(&self) -> Builder {
        Cluster::builder().config_text("ms.json", self.text())
    }

    /// A cluster with nothing open.
    pub(crate) fn build(&self) -> Cluster {
        self.builder().build().unwrap()
    }
}
