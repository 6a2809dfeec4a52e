//! Masking, which is its own inverse (RFC 6455 §5.3).

/// Masks or unmasks `bytes`, whose first byte meets the first byte of `key`.
pub(super) fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// The key for what follows `len` masked bytes.
pub(super) fn turn(mut key: [u8; 4], len: usize) -> [u8; 4] {
    key.rotate_left(len % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_rest_agree_with_the_formula_of_the_standard() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..=255).collect();
        for len in 0..plain.len() {
            let mut masked = plain[..len].to_vec();
            mask(&mut masked, key);
            for (i, byte) in masked.iter().enumerate() {
                assert_eq!(*byte, plain[i] ^ key[i % 4]);
            }
        }
    }

    #[test]
    fn a_payload_masked_in_two_pieces_equals_one_piece() {
        let key = [1, 2, 3, 4];
        for cut in 0..=40 {
            let mut whole = [0x55; 40];
            let mut pieces = whole;
            mask(&mut whole, key);
            mask(&mut pieces[..cut], key);
            mask(&mut pieces[cut..], turn(key, cut));
            assert_eq!(pieces, whole);
        }
    }
}
