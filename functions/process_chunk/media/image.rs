//! Still and animated images: their size stands near the beginning.

use std::io::{BufReader, Read, Seek};

use super::bounded::Bounded;
use super::container::Container;
use super::{Kind, Media, Track};

pub(super) fn read<R: Read + Seek>(
    source: &mut Bounded<R>,
    container: Container,
) -> Result<Media, String> {
    // The errors of this reader say where in the file it stopped, and no more than that.
    let size = imagesize::reader_size(BufReader::with_capacity(1 << 10, source))
        .ok()
        .filter(|size| size.width > 0 && size.height > 0)
        .ok_or("its size cannot be found")?;
    let track = Track {
        kind: Kind::Image,
        codec: container.name(),
        width: u32::try_from(size.width).ok(),
        height: u32::try_from(size.height).ok(),
        sample_rate: None,
        channels: None,
    };
    Ok(Media::of_tracks(container, vec![track], None))
}
