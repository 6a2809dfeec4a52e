//! The rows of `vectors/*.json`, which other languages read too, and what they are made of.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// All rows of one file, which has a rule a row and so no name twice.
pub(crate) fn rows<T: DeserializeOwned>(json: &str) -> Vec<T> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let read = |json: &str| json.as_bytes().to_vec();
    let named: Vec<Named> = simd_json::from_slice(&mut read(json)).unwrap();
    let mut names: Vec<String> = named.into_iter().map(|row| row.name).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
    simd_json::from_slice(&mut read(json)).unwrap()
}

/// A text, or pieces of text of which some are repeated.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Input {
    Text(String),
    Pieces(Vec<Piece>),
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Piece {
    Text(String),
    Repeated { repeat: String, times: usize },
}

impl Input {
    pub(crate) fn bytes(&self) -> Bytes {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Repeated { repeat, times } => repeat.repeat(*times),
        };
        match self {
            Self::Text(text) => text.clone().into(),
            Self::Pieces(pieces) => pieces.iter().map(piece).collect::<String>().into(),
        }
    }
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap();
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).unwrap();
    hex.as_bytes().chunks(2).map(byte).collect()
}
