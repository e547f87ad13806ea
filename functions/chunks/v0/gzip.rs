//! Objects that were uploaded compressed, for clients that cannot decompress them.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures_util::{Stream, StreamExt as _, stream};
use runtime::{Error, ObjectReader, Result};
use tokio::task::spawn_blocking;

/// Bytes that are decompressed in one go: however well they were compressed, no more are in memory.
const BLOCK: usize = 64 << 10;

type Decoder = Box<dyn Read + Send>;

/// Whether `Accept-Encoding` (RFC 9110 §12.5.3) names gzip, or anything.
pub(super) fn is_accepted(accept_encoding: Option<&str>) -> bool {
    let mut accepted = None;
    let accept_encoding = accept_encoding.unwrap_or_default().to_ascii_lowercase();
    for coding in accept_encoding.split(',') {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        let wanted = weight
            .trim()
            .parse::<f32>()
            .is_ok_and(|weight| weight > 0.0);
        match name.trim() {
            "gzip" | "x-gzip" => return wanted,
            "*" => accepted = Some(wanted),
            _ => {}
        }
    }
    accepted.unwrap_or_default()
}

/// The bytes without their compression; `None` when they have none, whatever their uploader said.
pub(super) async fn decompressed(
    reader: &ObjectReader,
) -> Result<Option<impl Stream<Item = io::Result<Bytes>> + Send + use<>>> {
    let decoder: Decoder = Box::new(MultiGzDecoder::new(reader.blocking()));
    // The first block tells before anything is answered.
    match next(decoder).await {
        Ok(None) => Ok(Some(stream::iter(None).chain(rest(None)))),
        Ok(Some((first, decoder))) => Ok(Some(
            stream::iter(Some(Ok(first))).chain(rest(Some(decoder))),
        )),
        Err(error) if is_malformed(&error) => Ok(None),
        Err(error) => Err(Error::internal(error)),
    }
}

fn rest(decoder: Option<Decoder>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(decoder, |decoder| async {
        let Some(decoder) = decoder else {
            return Ok(None);
        };
        let read = next(decoder).await?;
        Ok(read.map(|(block, decoder)| (block, Some(decoder))))
    })
}

/// On a thread for as long as one block takes: a slow client holds none.
async fn next(mut decoder: Decoder) -> io::Result<Option<(Bytes, Decoder)>> {
    let reading = spawn_blocking(move || {
        let mut block = Vec::with_capacity(BLOCK);
        decoder
            .by_ref()
            .take(BLOCK as u64)
            .read_to_end(&mut block)?;
        io::Result::Ok((block, decoder))
    });
    let (block, decoder) = reading.await.map_err(io::Error::from)??;
    Ok((!block.is_empty()).then(|| (block.into(), decoder)))
}

fn is_malformed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_says_which_compression_it_knows() {
        for (header, expected) in [
            (None, false),
            (Some(""), false),
            (Some("identity"), false),
            (Some("br, deflate"), false),
            (Some("gzip"), true),
            (Some("br;q=1, GZIP; q=0.5"), true),
            (Some("x-gzip"), true),
            (Some("gzip;q=0"), false),
            (Some("gzip;Q=0"), false),
            (Some("gzip;q=0, *"), false),
            (Some("*"), true),
            (Some("*;q=0"), false),
            (Some("*;q=0, gzip"), true),
        ] {
            assert_eq!(is_accepted(header), expected, "{header:?}");
        }
    }
}
