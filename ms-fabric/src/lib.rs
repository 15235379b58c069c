//! ms-fabric
