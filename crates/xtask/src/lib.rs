//! The house rules as tests: `cargo test -p portcullis-xtask` says where the tree breaks one and what to do.
//!
//! Each check is a pure function from the files of the repository to findings, with unit tests that show it fail.
//! Nothing here is part of the product. Read next: `tests/house.rs`, the list of all checks; [`tree`], what they read.

pub mod arrows;
pub mod docs;
pub mod files;
pub mod golden;
pub mod manners;
pub mod measure;
pub mod purity;
pub mod ratchet;
pub mod source;
pub mod tree;
