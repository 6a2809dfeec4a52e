//! Valid JSON is taken, whatever its shape, and its bytes are kept.
//!
//! The bytes of the fuzzer choose what to grow: numbers of any size, every escape, surrogate pairs, nesting up to the
//! limit, white space wherever it may stand. Then one byte is broken, and the two readers must still agree.
mod grow;

use bytes::Bytes;

use self::grow::Grower;
use super::emit::{draft_is_kept, readers_agree};
use crate::decode::{self, Emit, Form};
use crate::json;

/// A grown object is acceptable as the data of a draft, alone and in a batch, and goes through byte for byte.
pub fn grown_data_is_kept(choices: &[u8]) {
    let mut grower = Grower::new(choices);
    let mut draft = Vec::new();
    let data = grower.draft(&mut draft);
    let data = draft[data].to_vec();
    assert_eq!(json::check(&data), Ok(()), "grown as JSON");
    readers_agree(&data);

    let body = Bytes::from(draft);
    let taken = match decode::emit(&body, Form::Json) {
        Ok(Emit::One(draft)) => draft,
        other => panic!("one draft was grown, not {other:?}"),
    };
    assert_eq!(taken.data, data);
    draft_is_kept(&taken, &body);

    let batch = [b" [ ", &body[..], b" , ", &body, b"\n] "].concat().into();
    let twice = Ok(Emit::Batch(vec![taken.clone(), taken]));
    assert_eq!(decode::emit(&batch, Form::Json), twice);

    let mut broken = body.to_vec();
    let place = grower.number() % broken.len();
    broken[place] = grower.next();
    readers_agree(&broken);
    broken.truncate(grower.number() % (broken.len() + 1));
    readers_agree(&broken);
}
