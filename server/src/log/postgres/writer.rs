//! What commits: queued appends in, one statement for as many of them as there are, and a second one on its way while the
//! database works on the first.
//!
//! A connection that is lost leaves open what became of the groups that were on their way. They come again, each under
//! its name, once an earlier session is surely over; the database finds those that it has. Meanwhile appends that were
//! not sent are refused at once, since nothing of them is stored.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use todoki_codec::{Cursor, Kind};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};
use tokio_util::sync::CancellationToken;

use super::connect::{Connector, Role, Session, WRITE_TIMEOUT};
use super::error::line;
use super::follow::{Break, Follower, Pause};
use super::group::{Answer, Group};
use super::keep;
use super::outage::Outage;
use crate::clock;
use crate::log::queue::{Append, Inbox, Request};
use crate::log::shared::Shared;
use crate::log::{AppendError, KINDS, Recorder};

/// Groups that are on their way at once: one that the database works on, and one that it begins with when that is
/// committed, without waiting for us.
const PIPELINE: usize = 2;

/// How long producers wait to learn what became of a group whose answer was lost. Most restarts take less; whoever waits
/// longer is told that it is not known, and asks again with the same ids.
const SETTLE_DEADLINE: Duration = Duration::from_secs(10);

/// How long producers wait for the answer to a group that the database has. It would cancel a statement that takes so long,
/// but not a commit that waits for a disk or for a standby; until that is over emits are refused.
const ANSWER_DEADLINE: Duration = WRITE_TIMEOUT;

/// Raised by the schema when the cursors are used up.
const EXHAUSTED: &str = "TD001";

/// See the [module](self).
pub(super) struct Writer {
    connector: Arc<Connector>,
    /// The first session, until it is taken.
    session: Option<Session>,
    inbox: Inbox,
    follower: Arc<Follower>,
    shared: Arc<Shared>,
    recorder: Arc<Recorder>,
    kinds: HashMap<Kind, i32>,
    /// An append that goes into the next group.
    next: Option<Append>,
    on_way: VecDeque<OnWay>,
    /// Groups whose answer was lost.
    open: VecDeque<Open>,
    is_closing: bool,
}

/// A group that the database has, or is being given.
struct OnWay {
    group: Group,
    /// The head when it was first sent: it is nowhere before.
    after: Cursor,
    sent_at: Instant,
    /// Whether its producers wait no longer.
    is_late: bool,
    answer: JoinHandle<Result<Vec<Row>, tokio_postgres::Error>>,
}

/// A group of which it is not known whether it is committed.
struct Open {
    group: Group,
    after: Cursor,
}

/// How a session with the database came to its end.
enum End {
    /// The log was closed, and everything is committed.
    Closed,
    /// The connection was lost.
    Lost,
}

impl Writer {
    pub(super) fn new(
        connector: Arc<Connector>,
        session: Session,
        inbox: Inbox,
        follower: Arc<Follower>,
        recorder: Arc<Recorder>,
    ) -> Self {
        Self {
            connector,
            session: Some(session),
            inbox,
            shared: Arc::clone(follower.shared()),
            follower,
            recorder,
            kinds: HashMap::new(),
            next: None,
            on_way: VecDeque::new(),
            open: VecDeque::new(),
            is_closing: false,
        }
    }

    /// Runs until the log is closed or has failed. Requests that are left are refused with its inbox.
    pub(super) async fn run(mut self) {
        while let Some(session) = self.session().await {
            match self.serve(session).await {
                End::Closed => return,
                End::Lost => self.recorder.failed(),
            }
        }
    }

    async fn serve(&mut self, session: Session) -> End {
        let client = Arc::new(session.client);
        for open in std::mem::take(&mut self.open) {
            self.send(&client, open.group, Some(open.after));
        }
        loop {
            let is_late = self.is_late();
            if self.is_closing && (is_late || self.on_way.is_empty() && self.next.is_none()) {
                return End::Closed;
            }
            let may_send = self.on_way.len() < PIPELINE;
            let deadline = self.deadline();
            tokio::select! {
                biased;
                answer = answered(&mut self.on_way) => {
                    if self.settle(answer).await.is_err() {
                        return self.lose().await;
                    }
                }
                request = next(&mut self.next, &mut self.inbox), if (may_send || is_late) && !self.is_closing => {
                    if is_late {
                        self.refuse(request);
                    } else if self.gather(&client, request).await.is_err() {
                        return self.lose().await;
                    }
                }
                () = reached(deadline) => self.give_up(),
                () = session.ended.cancelled(), if self.on_way.is_empty() => return self.lose().await,
            }
        }
    }

    /// Whether the database has a group, and does not say in time what became of it.
    fn is_late(&self) -> bool {
        self.on_way.front().is_some_and(|on_way| on_way.is_late)
    }

    /// When somebody will have waited long enough for the answer to a group.
    fn deadline(&self) -> Option<Instant> {
        let mut waited_for = self.on_way.iter().filter(|on_way| !on_way.is_late);
        waited_for
            .next()
            .map(|on_way| on_way.sent_at + ANSWER_DEADLINE)
    }

    /// Tells whoever waits for an answer that there is none. The groups are as before: their events are released when the
    /// answer comes after all.
    fn give_up(&mut self) {
        if !self.is_late() {
            tracing::warn!(
                "the database does not say that it has committed; emits are refused until it does"
            );
        }
        for on_way in &mut self.on_way {
            on_way.is_late = true;
            for append in &mut on_way.group.appends {
                append.give_up(AppendError::Unavailable { is_unknown: true });
            }
        }
    }

    /// Makes a group of a request and whatever is queued behind it, and sends it.
    async fn gather(&mut self, client: &Arc<Client>, first: Option<Request>) -> Result<(), Lost> {
        let mut group = Group::new();
        let mut request = first;
        loop {
            match request {
                None => self.is_closing = true,
                Some(Request::Trim(trim)) => {
                    let follower = Arc::clone(&self.follower);
                    tokio::spawn(async move {
                        let (readers, shared) = (follower.readers(), follower.shared());
                        let trimmed = keep::trim(readers, shared, trim.through).await;
                        trim.answer(trimmed);
                    });
                }
                Some(Request::Append(append)) => {
                    if let Some(append) = self.number_kinds(client, append).await? {
                        self.next = group.add(append);
                    }
                }
            }
            if group.is_full() || self.next.is_some() || self.is_closing || self.is_late() {
                break;
            }
            match self.inbox.try_next() {
                Ok(next) => request = Some(next),
                // That there will be no more is found when it is waited for.
                Err(_) => break,
            }
        }
        if !group.is_empty() {
            self.send(client, group, None);
        }
        Ok(())
    }

    /// Gives every kind of an append a number, or refuses it and gives nothing back.
    async fn number_kinds(
        &mut self,
        client: &Arc<Client>,
        append: Append,
    ) -> Result<Option<Append>, Lost> {
        let is_known = |kinds: &HashMap<Kind, i32>| {
            let mut drafts = append.drafts.iter();
            drafts.all(|draft| kinds.contains_key(&draft.kind))
        };
        self.note_kinds();
        if is_known(&self.kinds) {
            return Ok(Some(append));
        }
        let names: Vec<&str> = append
            .drafts
            .iter()
            .map(|draft| draft.kind.as_str())
            .collect();
        let known = i32::try_from(self.kinds.len()).unwrap_or(i32::MAX);
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&names, Type::TEXT_ARRAY), (&known, Type::INT4)];
        let numbering =
            client.query_typed("SELECT id, name FROM todoki.intern($1, $2)", &parameters);
        let Ok(rows) = timeout(ANSWER_DEADLINE, numbering).await else {
            append.answer(Err(AppendError::Unavailable { is_unknown: false }));
            // Behind it: when this is answered, the database answers again.
            self.send(client, Group::new(), None);
            self.give_up();
            return Ok(None);
        };
        match rows.map(|rows| self.follower.learn_kinds(&rows)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                append.answer(Err(AppendError::Closed(error.0)));
                return Ok(None);
            }
            Err(error) => {
                // When the connection is gone kinds may have been numbered, and no event was stored.
                let refusal = refusal(&error);
                let answer = refusal.clone();
                let away = AppendError::Unavailable { is_unknown: false };
                append.answer(Err(answer.unwrap_or(away)));
                return if refusal.is_some() {
                    Ok(None)
                } else {
                    Err(Lost)
                };
            }
        }
        self.note_kinds();
        if is_known(&self.kinds) {
            return Ok(Some(append));
        }
        let index = one_too_many(&append, &self.kinds);
        append.answer(Err(AppendError::TooManyKinds { index }));
        Ok(None)
    }

    /// Takes note of kinds that were read meanwhile.
    fn note_kinds(&mut self) {
        let known = self.kinds.len();
        let kinds = self.shared.kinds();
        if kinds.len() > known {
            let fresh = kinds.iter().cloned().zip(1..).skip(known);
            self.kinds.extend(fresh);
        }
    }

    /// Sends a group; one that was sent before, after this cursor, is looked for first.
    fn send(&mut self, client: &Arc<Client>, group: Group, sent_after: Option<Cursor>) {
        let statement = group.statement(&self.connector.name, &self.kinds, sent_after);
        let client = Arc::clone(client);
        self.on_way.push_back(OnWay {
            group,
            after: sent_after.unwrap_or_else(|| self.shared.head()),
            sent_at: clock::instant(),
            is_late: false,
            // On this thread tasks begin in the order in which they are made, so groups arrive in order.
            answer: tokio::spawn(async move { statement.run(&client).await }),
        });
    }

    /// Does what the answer to the first group on its way says.
    async fn settle(
        &mut self,
        answer: Result<Vec<Row>, tokio_postgres::Error>,
    ) -> Result<(), Lost> {
        let on_way = self.on_way.pop_front().expect("its answer was waited for");
        if on_way.is_late && !self.is_late() {
            tracing::info!("the database answers again");
        }
        let told = match answer {
            Ok(rows) => rows.first().map(Answer::new),
            Err(error) => {
                let Some(refusal) = refusal(&error) else {
                    tracing::debug!(cause = line(&error), "the connection that appends was lost");
                    let OnWay { group, after, .. } = on_way;
                    self.open.push_back(Open { group, after });
                    return Err(Lost);
                };
                self.recorder.failed();
                tracing::warn!(cause = line(&error), "nothing was written");
                answer_all(on_way.group, &refusal);
                return Ok(());
            }
        };
        let Some(Ok(told)) = told else {
            self.shared.fail(
                "the answer to an append makes no sense; is the schema todoki of this version?"
                    .into(),
            );
            return Ok(());
        };
        self.recorder
            .committed(on_way.sent_at.elapsed(), on_way.group.drafts());
        let (events, outcomes) = on_way.group.settle(&told);
        self.follower.publish(events).await;
        for (append, outcome) in on_way.group.appends.into_iter().zip(outcomes) {
            append.answer(outcome);
        }
        Ok(())
    }

    /// Takes leave of a connection: groups on their way are settled if their answer has come, and open if it has not.
    async fn lose(&mut self) -> End {
        while !self.on_way.is_empty() {
            let answer = answered(&mut self.on_way).await;
            // Each is open from now on.
            self.settle(answer).await.ok();
        }
        End::Lost
    }

    /// The session to go on with; `None` when the log is closed or has failed. Until there is one, appends are refused.
    async fn session(&mut self) -> Option<Session> {
        if let Some(session) = self.session.take() {
            return Some(session);
        }
        let (connector, follower) = (Arc::clone(&self.connector), Arc::clone(&self.follower));
        let connecting = CancellationToken::new();
        let _stop = connecting.clone().drop_guard();
        let mut connecting = tokio::spawn(async move {
            connecting
                .run_until_cancelled(connect(&connector, &follower))
                .await
        });
        let deadline = tokio::time::sleep(SETTLE_DEADLINE);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                connected = &mut connecting => match connected {
                    Ok(Some(Ok(session))) => return Some(session),
                    Ok(Some(Err(cause))) => {
                        self.shared.fail(cause);
                        return None;
                    }
                    // It panicked, which is told, or was stopped.
                    Ok(None) | Err(_) => return None,
                },
                request = next(&mut self.next, &mut self.inbox), if !self.is_closing => self.refuse(request),
                () = &mut deadline, if !self.open.is_empty() => {
                    for open in self.open.drain(..) {
                        answer_all(open.group, &AppendError::Unavailable { is_unknown: true });
                    }
                }
            }
            if self.is_closing && self.open.is_empty() {
                return None;
            }
        }
    }

    fn refuse(&mut self, request: Option<Request>) {
        let away = AppendError::Unavailable { is_unknown: false };
        // It may have failed just now, which is for ever.
        let away = self.shared.failure().map_or(away, AppendError::Closed);
        match request {
            None => self.is_closing = true,
            Some(Request::Append(append)) => append.answer(Err(away)),
            Some(Request::Trim(trim)) => trim.answer(Err(away)),
        }
    }
}

/// The connection is gone.
struct Lost;

/// The answer to the first group on its way; never, when there is none.
async fn answered(on_way: &mut VecDeque<OnWay>) -> Result<Vec<Row>, tokio_postgres::Error> {
    match on_way.front_mut() {
        Some(front) => (&mut front.answer).await.expect("sending does not panic"),
        None => std::future::pending().await,
    }
}

/// Resolves at a moment; never, when there is none.
async fn reached(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// The append that was left, or the next request.
async fn next(left: &mut Option<Append>, inbox: &mut Inbox) -> Option<Request> {
    match left.take() {
        Some(append) => Some(Request::Append(append)),
        None => inbox.next().await,
    }
}

/// Connects again and again until it works; the error is a reason never to go on.
async fn connect(connector: &Connector, follower: &Follower) -> Result<Session, Arc<str>> {
    let mut pause = Pause::default();
    let mut outage = Outage::new(SETTLE_DEADLINE);
    loop {
        pause.sleep().await;
        let cause = match connector.connect(Role::Writer).await {
            Ok(session) => match follower.recognise(&session.client).await {
                Ok(()) => {
                    if let Some(lasted) = outage.over(clock::instant()) {
                        tracing::info!(seconds = lasted.as_secs_f32(), "emits are taken again");
                    }
                    return Ok(session);
                }
                Err(Break::Rewritten(cause)) => return Err(cause),
                Err(Break::Lost(cause)) => cause,
            },
            Err(error) => error.to_string(),
        };
        // A database that is away altogether is told of by the follower.
        if !follower.shared().is_away() && outage.lost(clock::instant()).is_some() {
            tracing::warn!(%cause, "emits are refused: there is no session to write with");
        }
    }
}

/// Place of the draft whose kind is one too many.
fn one_too_many(append: &Append, kinds: &HashMap<Kind, i32>) -> usize {
    let mut fresh = std::collections::HashSet::new();
    let is_too_many = |kind| {
        let is_fresh = !kinds.contains_key(kind) && fresh.insert(kind);
        is_fresh && kinds.len() + fresh.len() > KINDS
    };
    let mut drafts = append.drafts.iter().map(|draft| &draft.kind);
    drafts.position(is_too_many).unwrap_or_default()
}

fn answer_all(group: Group, refusal: &AppendError) {
    for append in group.appends {
        append.answer(Err(refusal.clone()));
    }
}

/// What a failed statement means for those who asked for it; `None` when the connection is gone, and with it the
/// knowledge of whether it was committed. The database has rolled back whatever it says that it refused.
fn refusal(error: &tokio_postgres::Error) -> Option<AppendError> {
    let told = error.as_db_error()?;
    let code = told.code();
    // The session ends with what is worse than an error, whatever it is. One of a database that has become a standby is no
    // use any more.
    let is_over = matches!(
        told.parsed_severity(),
        Some(Severity::Fatal | Severity::Panic)
    );
    if is_over || *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return None;
    }
    let passes = [
        SqlState::QUERY_CANCELED,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::OUT_OF_MEMORY,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    Some(match code {
        code if *code == SqlState::LOCK_NOT_AVAILABLE => AppendError::Locked,
        code if passes.contains(code) => AppendError::Busy,
        code if *code == SqlState::DISK_FULL => AppendError::Full,
        code if code.code() == EXHAUSTED => AppendError::Exhausted,
        _ => AppendError::Unavailable { is_unknown: false },
    })
}
