//! Bytes that say whose they are: no two names, versions or sizes share them.

use aws_lc_rs::digest::{SHA256, digest};

/// `size` bytes that only this seed makes.
pub(crate) fn content(seed: &str, size: usize) -> Vec<u8> {
    let hash = digest(&SHA256, seed.as_bytes());
    let mut state = u64::from_le_bytes(hash.as_ref()[..8].try_into().unwrap()) | 1;
    let mut bytes = vec![0; size];
    for piece in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        piece.copy_from_slice(&state.to_le_bytes()[..piece.len()]);
    }
    bytes
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = digest(&SHA256, bytes);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// In `0..below`; no test depends on which.
pub(crate) fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % below
}
