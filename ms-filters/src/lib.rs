//! ms-filters
