//! ms-xa
