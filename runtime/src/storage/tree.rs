//! The folders of one bucket, from its root down to the one that holds an object.

use std::io;
use std::sync::{PoisonError, RwLock};

use super::folder::Folder;
use super::place::Place;

#[derive(Debug)]
pub(super) struct Tree {
    root: Folder,
    /// Held for writing from the making of a folder until it is durable. Whoever finds a folder
    /// found it while holding this for reading, so what it puts there cannot vanish with its parent.
    making: RwLock<()>,
}

impl Tree {
    /// `root` is the manifest's: one folder below the base, or several.
    pub(super) fn open(base: &Folder, root: &str) -> io::Result<Self> {
        let mut segments = root.split('/').filter(|segment| !segment.is_empty());
        let first = segments
            .next()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a bucket needs a root"))?;
        let root = segments.try_fold(base.make_folder(first)?, |folder, segment| {
            folder.make_folder(segment)
        })?;
        Ok(Self {
            root,
            making: RwLock::new(()),
        })
    }

    /// The folder of `place`, if it exists.
    pub(super) fn find(&self, place: &Place) -> io::Result<Option<Folder>> {
        let _durable = self.making.read().unwrap_or_else(PoisonError::into_inner);
        let (owner, below) = owner_and_below(place);
        let Some(mut folder) = self.root.open_folder(owner)? else {
            return Ok(None);
        };
        for name in below {
            match folder.open_folder(name)? {
                Some(found) => folder = found,
                None => return Ok(None),
            }
        }
        Ok(Some(folder))
    }

    /// The folder of `place`, made durably where it is missing.
    pub(super) fn make(&self, place: &Place) -> io::Result<Folder> {
        if let Some(folder) = self.find(place)? {
            return Ok(folder);
        }
        let _making = self.making.write().unwrap_or_else(PoisonError::into_inner);
        let (owner, below) = owner_and_below(place);
        below
            .iter()
            .try_fold(self.root.make_folder(owner)?, |folder, name| {
                folder.make_folder(name)
            })
    }
}

fn owner_and_below(place: &Place) -> (&str, &[String]) {
    let (owner, below) = place
        .folders()
        .split_first()
        .expect("a place has its owner's folder");
    (owner, below)
}
