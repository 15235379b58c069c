//! ms-gtid
