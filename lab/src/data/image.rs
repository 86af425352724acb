//! Flash contents: bytes that follow from a seed, so that every reader of a result can
//! make them again.

use std::path::Path;

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::base::files;

/// What the flash holds, whole.
#[derive(Clone, Debug)]
pub struct Image {
    pub seed: u64,
    pub sha256: String,
    bytes: Vec<u8>,
}

impl Image {
    /// A smaller one is the start of a larger one.
    pub fn new(seed: u64, size: usize) -> Self {
        let mut state = seed;
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            bytes.extend_from_slice(&splitmix64(&mut state).to_le_bytes());
        }
        bytes.truncate(size);
        let sha256 = files::hex(&Sha256::digest(&bytes));
        Self {
            seed,
            sha256,
            bytes,
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Writes the backing file, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write_whole(path, &self.bytes)
    }

    /// FNV-1a, as the guest computes it; `None` when the range is not inside.
    pub fn fnv1a(&self, offset: usize, length: usize) -> Option<u64> {
        let range = self.bytes.get(offset..offset.checked_add(length)?)?;
        Some(fnv1a(range))
    }
}

/// FNV-1a of 64 bits.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The first output for seed 0, as published with the algorithm.
        assert_eq!(splitmix64(&mut 0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn an_image_has_its_size_and_follows_from_its_seed() {
        let image = Image::new(1, 1003);
        assert_eq!(image.size(), 1003);
        assert_eq!(image.sha256, Image::new(1, 1003).sha256);
        assert_ne!(image.sha256, Image::new(2, 1003).sha256);
    }

    #[test]
    fn fnv1a_is_the_published_one() {
        let mut image = Image::new(1, 8);
        image.bytes = b"afoobar".to_vec();
        assert_eq!(image.fnv1a(0, 1), Some(0xaf63_dc4c_8601_ec8c));
        assert_eq!(image.fnv1a(1, 6), Some(0x8594_4171_f739_67e8));
        assert_eq!(image.fnv1a(5, 3), None);
        assert_eq!(image.fnv1a(usize::MAX, 2), None);
    }
}
