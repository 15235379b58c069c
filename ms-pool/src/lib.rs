//! ms-pool
