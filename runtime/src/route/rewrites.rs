//! The manifest's rewrites, in the order of the file.

use std::sync::Arc;

use manifest::{Rewrite, RewriteSource, RewriteTarget};

use super::FunctionIndex;
use super::path::single_slashes;

/// Where a rewrite leads.
pub(super) enum Target {
    Function(FunctionIndex),
    /// By its path in the hosting folder.
    File(Arc<str>),
}

#[derive(Default)]
pub(super) struct Rewrites(Vec<(RewriteSource, Target)>);

impl Rewrites {
    /// Those to a function that `by_name` does not know, since it is not enabled, are left out.
    pub(super) fn new(
        rewrites: &[Rewrite],
        by_name: impl Fn(&String) -> Option<FunctionIndex>,
    ) -> Self {
        let rewrites = rewrites.iter().filter_map(|rewrite| {
            let target = match &rewrite.target {
                RewriteTarget::Function(name) => Target::Function(by_name(name)?),
                RewriteTarget::Destination(file) => Target::File(file.as_str().into()),
            };
            Some((rewrite.source.clone(), target))
        });
        Self(rewrites.collect())
    }

    /// The first that matches.
    pub(super) fn find(&self, path: &str) -> Option<&Target> {
        if self.0.is_empty() {
            return None;
        }
        let path = single_slashes(path);
        let mut rewrites = self.0.iter();
        let found = rewrites.find(|(source, _)| source.matches(&path));
        found.map(|(_, target)| target)
    }
}
