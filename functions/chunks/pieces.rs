//! Bodies in pieces that are worth looking at.
//!
//! Who parses a form looks through all that it holds whenever more comes. A client that sends byte by byte
//! would make it look as often as there are bytes: small pieces are put together first.

use bytes::{Bytes, BytesMut};
use runtime::{Body, Result};

/// Bytes; only the last piece has fewer.
const LEAST: usize = 16 << 10;

/// The next piece; `None` at the end.
pub(super) async fn piece(body: &mut Body) -> Result<Option<Bytes>> {
    let Some(first) = body.chunk().await.transpose()? else {
        return Ok(None);
    };
    if first.len() >= LEAST {
        return Ok(Some(first));
    }
    let mut piece = BytesMut::from(first);
    while piece.len() < LEAST
        && let Some(more) = body.chunk().await.transpose()?
    {
        piece.extend_from_slice(&more);
    }
    Ok(Some(piece.freeze()))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use runtime::Error;

    use super::*;

    /// The sizes of the pieces that come of pieces of `sizes` bytes; all bytes come in their order.
    async fn put_together(sizes: &[usize]) -> Vec<usize> {
        let mut sent = (0..=u8::MAX).cycle();
        let pieces: Vec<Result<Bytes, Error>> = sizes
            .iter()
            .map(|size| Ok(sent.by_ref().take(*size).collect()))
            .collect();
        let mut body = Body::stream(stream::iter(pieces));
        let (mut whole, mut found) = (Vec::new(), Vec::new());
        while let Some(piece) = piece(&mut body).await.unwrap() {
            found.push(piece.len());
            whole.extend_from_slice(&piece);
        }
        assert!(
            whole
                .into_iter()
                .eq((0..=u8::MAX).cycle().take(sizes.iter().sum()))
        );
        found
    }

    #[tokio::test]
    async fn small_pieces_are_put_together_and_large_ones_left_alone() {
        assert_eq!(put_together(&[]).await, [0_usize; 0]);
        assert_eq!(put_together(&[1, 2, 3]).await, [6]);
        assert_eq!(
            put_together(&[LEAST, 1, 70_000, 1]).await,
            [LEAST, 70_001, 1]
        );
        let bytes = vec![1; 3 * LEAST + 1];
        assert_eq!(put_together(&bytes).await, [LEAST, LEAST, LEAST, 1]);
    }

    #[tokio::test]
    async fn a_body_that_breaks_gives_its_error() {
        let broken = Error::internal("broken");
        let pieces = [Ok(Bytes::from_static(b"x")), Err(broken)];
        let mut body = Body::stream(stream::iter(pieces));
        assert!(piece(&mut body).await.is_err());
    }
}
