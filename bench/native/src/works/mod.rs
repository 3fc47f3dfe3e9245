//! One file a work.
pub mod agents;
pub mod events;
pub mod locks;
pub mod numbers;
pub mod rate;
pub mod records;
