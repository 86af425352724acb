//! patches/ applied to a tree, and a tree written back to patches/. patches/ is the source
//! of truth.

pub mod export;
pub mod fits;
pub mod mails;
pub mod patches;
pub mod repository;
pub mod rules;
pub mod tree;
pub mod verify;
pub mod worktree;
