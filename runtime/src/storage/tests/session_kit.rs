//! What the tests of upload sessions share.

use aws_lc_rs::digest::{SHA256, digest};

use super::*;

pub(super) async fn start_session(
    bucket: &Bucket,
    path: &str,
    length: Option<u64>,
) -> UploadSession {
    let options = PutOptions {
        content_length: length,
        ..PutOptions::default()
    };
    bucket.start_session(name(path), options).await.unwrap()
}

/// One request that is not the last.
pub(super) async fn send(session: &UploadSession, offset: usize, bytes: Bytes) -> UploadSession {
    let mut writer = session.append(offset as u64).await.unwrap();
    writer.write(bytes).await.unwrap();
    writer.close().await.unwrap()
}

pub(super) async fn again(bucket: &Bucket, session: &UploadSession) -> UploadSession {
    bucket.session(session.id()).await.unwrap().unwrap()
}

#[track_caller]
pub(super) fn is_whole(object: &Object, bytes: &Bytes) {
    assert_eq!(object.size, bytes.len() as u64);
    assert_eq!(object.sha256, digest(&SHA256, bytes).as_ref());
    assert_eq!(object.crc32c, crc32c::crc32c(bytes));
    let md5: [u8; 16] = <md5::Md5 as md5::Digest>::digest(bytes).into();
    assert_eq!(object.md5, md5);
}
