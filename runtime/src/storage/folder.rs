//! One folder, by its handle. Every operation names one entry of it and follows no symbolic link:
//! a link that somebody planted is as good as nothing there, and is never written through.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions, OpenOptionsExt};
use nix::fcntl::OFlag;
use nix::sys::statvfs::fstatvfs;

use crate::failpoint::left_out;

#[derive(Debug)]
pub(crate) struct Folder(Dir);

/// What an entry is, without following it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Absent,
    File,
    Folder,
    /// A link, a pipe, a device: nothing that storage made.
    Foreign,
}

impl Folder {
    /// The folder that everything else is opened from; made when missing.
    pub(super) fn open_base(path: &Path) -> io::Result<Self> {
        Dir::create_ambient_dir_all(path, ambient_authority())?;
        Self::open(path)
    }

    /// A folder by its path, which is followed wherever it leads.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Not open_ambient_dir: that handle cannot be synced or locked.
        File::open(path).map(|file| Self(Dir::from_std_file(file)))
    }

    pub(crate) fn entry(&self, name: &str) -> io::Result<Entry> {
        self.look(name).map(|(entry, _)| entry)
    }

    /// `None`: there is no such folder.
    pub(crate) fn open_folder(&self, name: &str) -> io::Result<Option<Self>> {
        let file = self.open_entry(name, Entry::Folder, OFlag::O_DIRECTORY, false)?;
        Ok(file.map(|file| Self(Dir::from_std_file(file))))
    }

    /// `None`: there is no such regular file.
    pub(crate) fn open_file(&self, name: &str) -> io::Result<Option<File>> {
        // O_NONBLOCK: opening a pipe that was planted meanwhile must not hang.
        self.open_entry(name, Entry::File, OFlag::O_NONBLOCK, false)
    }

    /// For reading too. `None`: there is no such regular file.
    pub(super) fn open_file_to_write(&self, name: &str) -> io::Result<Option<File>> {
        self.open_entry(name, Entry::File, OFlag::O_NONBLOCK, true)
    }

    fn open_entry(
        &self,
        name: &str,
        wanted: Entry,
        flags: OFlag,
        write: bool,
    ) -> io::Result<Option<File>> {
        let (entry, identity) = self.look(name)?;
        if entry != wanted {
            if entry != Entry::Absent {
                tracing::warn!(entry = name, found = ?entry, wanted = ?wanted, "not opened");
            }
            return Ok(None);
        }
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(write)
            .custom_flags((OFlag::O_NOFOLLOW | flags).bits());
        let file = self.0.open_with(name, &options)?.into_std();
        // cap-std's fallback for kernels without openat2 ignores O_NOFOLLOW in custom flags.
        let opened = file.metadata()?;
        if identity != Some((opened.dev(), opened.ino())) {
            return Err(io::Error::other(
                "the entry was replaced while it was opened",
            ));
        }
        Ok(Some(file))
    }

    fn look(&self, name: &str) -> io::Result<(Entry, Option<(u64, u64)>)> {
        let found = match self.0.symlink_metadata(name) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Entry::Absent, None));
            }
            Err(error) => return Err(error),
        };
        let entry = if found.is_file() {
            Entry::File
        } else if found.is_dir() {
            Entry::Folder
        } else {
            Entry::Foreign
        };
        Ok((entry, Some((found.dev(), found.ino()))))
    }

    /// Opens a folder, made durably when missing.
    pub(super) fn make_folder(&self, name: &str) -> io::Result<Self> {
        match self.0.create_dir(name) {
            Ok(()) => self.sync()?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        self.open_folder(name)?
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotADirectory, "not a folder"))
    }

    /// A new, empty file.
    pub(super) fn create_file(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        Ok(self.0.open_with(name, &options)?.into_std())
    }

    /// Cuts off what a file has beyond `size` bytes.
    pub(super) fn cut(&self, name: &str, size: u64) -> io::Result<()> {
        match self.open_file_to_write(name)? {
            Some(file) if file.metadata()?.len() > size => file.set_len(size),
            _ => Ok(()),
        }
    }

    /// Moves an entry, over the file of that name if there is one.
    pub(super) fn rename(&self, name: &str, to: &Self, new_name: &str) -> io::Result<()> {
        self.0.rename(name, &to.0, new_name)
    }

    /// Removes a file; one that is not there is removed already.
    pub(super) fn remove_file(&self, name: &str) -> io::Result<()> {
        match self.0.remove_file(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Makes the folder's entries durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        if left_out!("no-dir-fsync") {
            return Ok(());
        }
        Ok(nix::unistd::fsync(&self.0)?)
    }

    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        self.0
            .entries()?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    /// Bytes that are left on its disk.
    pub(super) fn free(&self) -> io::Result<u64> {
        let found = fstatvfs(&self.0)?;
        Ok(found.blocks_available() * found.fragment_size())
    }

    /// Fails with [`io::ErrorKind::StorageFull`] when fewer bytes than `wanted` are left.
    pub(super) fn check_free(&self, wanted: u64) -> io::Result<()> {
        if self.free()? < wanted {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Takes the folder for this process until the handle is closed.
    pub(super) fn claim(&self) -> io::Result<()> {
        let handle = self.0.try_clone()?.into_std_file();
        Ok(handle.try_lock()?)
    }
}
