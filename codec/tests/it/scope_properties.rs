//! Random grants: filters that are narrowed to them pick what the grants say, in whatever words.
use proptest::collection::vec;
use proptest::prelude::*;
use todoki_codec::property::scope::grants_narrow_like_naive;

proptest! {
    #[test]
    fn filters_narrowed_to_grants_pick_what_both_pick(choices in vec(any::<u8>(), 0..160)) {
        grants_narrow_like_naive(&choices);
    }
}
