//! What is said of an outage: one word when it begins, one when it is over, and one a minute between, however often it is
//! tried and whoever waits.

use std::time::{Duration, Instant};

/// How long nothing more is said of an outage of which all is said.
const SILENCE: Duration = Duration::from_mins(1);

/// An outage, or none.
#[derive(Debug)]
pub(super) struct Outage {
    /// One that is shorter is not worth a word.
    patience: Duration,
    began: Option<Instant>,
    told: Option<Instant>,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It has begun.
    Gone,
    /// It has lasted for so long.
    StillGone(Duration),
}

impl Outage {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            began: None,
            told: None,
        }
    }

    /// An attempt has failed.
    pub(super) fn lost(&mut self, now: Instant) -> Option<Word> {
        let began = *self.began.get_or_insert(now);
        let lasted = now - began;
        let is_due = match self.told {
            None => lasted >= self.patience,
            Some(told) => now - told >= SILENCE,
        };
        if !is_due {
            return None;
        }
        Some(match self.told.replace(now) {
            None => Word::Gone,
            Some(_) => Word::StillGone(lasted),
        })
    }

    /// An attempt has succeeded: how long the outage was, if anything was said of one.
    pub(super) fn over(&mut self, now: Instant) -> Option<Duration> {
        let began = self.began.take();
        self.told.take().and(began).map(|began| now - began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_word_when_it_goes_one_a_minute_and_one_when_it_is_back() {
        let begin = clock::instant();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut outage = Outage::new(Duration::ZERO);
        assert_eq!(outage.over(at(0)), None);
        let said: Vec<_> = (0..200)
            .filter_map(|second| outage.lost(at(second)))
            .collect();
        let still = |seconds| Word::StillGone(Duration::from_secs(seconds));
        assert_eq!(said, [Word::Gone, still(60), still(120), still(180)]);
        assert_eq!(outage.over(at(200)), Some(Duration::from_secs(200)));
        assert_eq!(outage.over(at(201)), None);
        assert_eq!(outage.lost(at(202)), Some(Word::Gone));
    }

    #[test]
    fn nothing_is_said_of_an_outage_within_the_patience() {
        let begin = clock::instant();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut outage = Outage::new(Duration::from_secs(10));
        assert_eq!((outage.lost(at(0)), outage.lost(at(9))), (None, None));
        assert_eq!(outage.over(at(9)), None);
        assert_eq!(
            (outage.lost(at(20)), outage.lost(at(30))),
            (None, Some(Word::Gone))
        );
        assert_eq!(outage.over(at(31)), Some(Duration::from_secs(11)));
    }
}
