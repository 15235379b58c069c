//! The pool against real sockets; what needs a real server takes it from the environment.

mod cancelling; // a dropped future never poisons a connection or leaks a slot
mod encrypting; // TLS in all its modes, and sockets
mod identifying; // what a real server says about itself
mod leasing; // slots and waiters
mod losing; // connections and servers that die
mod refusing; // servers that are not there, not talking or not willing
mod world; // servers, pools and shorthand

#[path = "../../tests/support/relay.rs"]
#[allow(unreachable_pub, dead_code)] // The tests of the public face use the same file.
mod relay;
