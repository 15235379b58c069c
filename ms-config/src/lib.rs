//! ms-config
