//! What a check found.

use serde::Serialize;

/// One kind of check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub name: &'static str,
    /// How many things were looked at.
    pub looked: usize,
    /// One line each.
    pub findings: Vec<String>,
}
