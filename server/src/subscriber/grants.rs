//! Judging a client by the grants of now: when it shows another token, when who may come in has changed, and when its time
//! has come.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use todoki_codec::Cursor;
use todoki_codec::command::Token;
use todoki_codec::frame::CloseCode;
use todoki_codec::message::Message;

use super::Subscriber;
use super::access::Due;
use super::place::View;
use crate::auth::Admission;
use crate::clock;
use crate::log::Log;
use crate::reply::Refusal;
use crate::visible;

impl<L: Log> Subscriber<L> {
    /// Goes on with another token of the same principal. A wrong one changes nothing.
    pub(super) async fn authorise(
        &mut self,
        token: &Token,
        reference: Option<String>,
    ) -> Result<(), Refusal> {
        let (shard, line) = (Rc::clone(&self.shard), Rc::clone(&self.line));
        let mut judging = pin!(shard.auth.admit_token(token.secret()));
        // Keys may have to be fetched for it, and whoever is revoked meanwhile does not wait for them.
        let admission = loop {
            tokio::select! {
                biased;
                admission = &mut judging => break admission,
                () = line.ordered() => self.heed().await,
            }
            if self.closing.is_some() {
                return Ok(());
            }
        };
        let admission = admission.map_err(|refusal| self.access.refused(refusal));
        if admission.is_err() && self.pace.guess(&self.shard.pacing) {
            self.close(CloseCode::POLICY, "too many tokens were wrong");
            return Ok(());
        }
        let admission = admission?;
        if admission.principal.name() != self.access.admission.principal.name() {
            self.close(CloseCode::FORBIDDEN, "the token is another principal's");
            return Ok(());
        }
        self.pace.know();
        self.adopt(admission, reference).await
    }

    /// Sees whether the client may go on, and with what: who may come in has changed, or its time has come.
    pub(super) async fn look(&mut self) {
        if self.closing.is_some() {
            return;
        }
        match self.access.due(clock::now()) {
            Due::End => return self.close(CloseCode::UNAUTHORISED, "the token has expired"),
            Due::Warning(expires_in_ms) => self.say(&Message::TokenExpiring { expires_in_ms }),
            Due::Nothing => {}
        }
        let admission = &self.access.admission;
        match self.shard.auth.readmit(admission) {
            Err(_) => self.close(CloseCode::UNAUTHORISED, "the token was revoked"),
            Ok(new) if new.principal == admission.principal && new.expires == admission.expires => {
                self.watch();
            }
            Ok(new) => {
                if self.adopt(new, None).await.is_err() {
                    self.close(
                        CloseCode::FORBIDDEN,
                        "the grants of this token no longer allow this",
                    );
                }
            }
        }
    }

    /// Judges what comes from now on by another admission, and says from where on that is.
    async fn adopt(
        &mut self,
        admission: Admission,
        reference: Option<String>,
    ) -> Result<(), Refusal> {
        let principal = Arc::clone(&admission.principal);
        let (asked, is_resumed) = (self.access.asked(&self.key.filter), self.access.is_resumed);
        let view = View::new(asked, is_resumed, &principal)?;
        let is_other = view.filter != self.key.filter;
        let is_restricted = principal.is_restricted();
        // Before anything is waited for: what comes meanwhile is judged by the grants of now.
        let position = if is_other || is_restricted {
            self.stand()
        } else {
            self.shard.floor.borrow().watermark(self.id)
        };
        let known = self.known(position);
        let shard = Rc::clone(&self.shard);
        let _turn = if is_restricted {
            // It would hold its turn, or wait for one, and not go on.
            self.reading = None;
            Some(shard.reads.acquire().await)
        } else {
            None
        };
        let told = if is_restricted {
            let newest = visible::newest(&*self.shard.log, &principal, position).await;
            let newest = newest.ok().flatten();
            // Who was told everything so far knows the position; a log that cannot be read tells nothing new.
            match (known, newest) {
                (Some(known), Some(newest)) => Some(known.max(newest)),
                (known, newest) => Some(newest.or(known).unwrap_or(position)),
            }
        } else {
            None
        };
        self.access.renew(admission);
        self.access.note(&view.asked, &view.filter, is_resumed);
        self.line.set_told(told);
        if is_other {
            self.reading = None;
            self.key.filter = view.filter;
            let mut floor = self.shard.floor.borrow_mut();
            floor.rejoin(self.id, self.key.clone(), position);
        }
        self.watch();
        self.say(&Message::Authorised {
            cursor: told.unwrap_or(position),
            expires_in_ms: self.access.expires_in_ms(clock::now()),
            reference,
        });
        Ok(())
    }

    /// What a client from whom events are hidden knows of where it stands: the last event that it was given. `None` when
    /// none is hidden.
    pub(super) fn known(&self, position: Cursor) -> Option<Cursor> {
        let newest = self.shard.floor.borrow().newest_until(self.id, position);
        self.line.tell(newest)
    }

    /// Has its access looked at in time.
    pub(super) fn watch(&mut self) {
        self.shard.watch.set(self.id, &mut self.access);
    }
}
