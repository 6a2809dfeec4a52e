//! Who came in, and what their grants let them do. Everything that is not granted is denied.

use std::sync::Arc;

use todoki_codec::{Draft, Filter, Scope, Scopes, ScopesError};

use crate::reply::Refusal;

/// Something that a grant can allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// See events as they come.
    Read,
    /// See events that are stored: pages, replays, counts, and the history that a subscription begins with.
    Replay,
    /// Append events.
    Emit,
    /// See what says something about everyone who uses the server, such as its metrics.
    Admin,
}

/// Actions, and the events that they are allowed on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// What is allowed.
    pub actions: Vec<Action>,
    /// On which events.
    pub scope: Scope,
}

/// Somebody, with what all their grants allow together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    name: Arc<str>,
    live: Scopes,
    stored: Scopes,
    /// What is both.
    resumed: Scopes,
    emit: Scopes,
    is_admin: bool,
    /// What a ticket bounds them to, whatever their grants are or become.
    bound: Option<Scopes>,
}

impl Principal {
    /// Somebody of this name, which limits, log lines and refreshed tokens go by, with these grants, unless
    /// they are too many or too tangled to find out what is allowed together.
    pub fn new(name: &str, grants: &[Grant]) -> Result<Self, ScopesError> {
        let allowed = |action| {
            let granted = grants
                .iter()
                .filter(|grant| grant.actions.contains(&action));
            let granted: Vec<_> = granted.map(|grant| grant.scope.clone()).collect();
            Scopes::checked(&granted)
        };
        let (live, stored) = (allowed(Action::Read)?, allowed(Action::Replay)?);
        Ok(Self {
            name: name.into(),
            resumed: live.checked_and(&stored)?,
            live,
            stored,
            emit: allowed(Action::Emit)?,
            // An administrator of some events would see what says something about all others.
            is_admin: allowed(Action::Admin)?.is_all(),
            bound: None,
        })
    }

    /// Somebody else with the same grants.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self {
            name: name.into(),
            ..self.clone()
        }
    }

    /// Somebody who may do everything.
    pub fn everything(name: &str) -> Self {
        Self {
            name: name.into(),
            live: Scopes::all(),
            stored: Scopes::all(),
            resumed: Scopes::all(),
            emit: Scopes::all(),
            is_admin: true,
            bound: None,
        }
    }

    /// The same, as far as `bound` lets them see, and without anything besides seeing.
    pub fn bounded(&self, bound: Scopes) -> Result<Self, ScopesError> {
        Ok(Self {
            name: Arc::clone(&self.name),
            live: self.live.checked_and(&bound)?,
            stored: self.stored.checked_and(&bound)?,
            resumed: self.resumed.checked_and(&bound)?,
            emit: Scopes::default(),
            is_admin: false,
            bound: Some(bound),
        })
    }

    /// What they are bounded to, if by anything.
    pub fn bound(&self) -> Option<&Scopes> {
        self.bound.as_ref()
    }

    /// The name: unique among those who may come in, and no secret.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What they may do, a line for each action and what it is allowed on.
    pub fn allowed(&self) -> Vec<String> {
        let actions = [
            ("read", &self.live),
            ("replay", &self.stored),
            ("emit", &self.emit),
        ];
        let lines = actions.into_iter().flat_map(|(action, scopes)| {
            let scopes = scopes.as_slice().iter();
            scopes.map(move |scope| format!("{action:<7} {}", described(scope)))
        });
        let admin = self.is_admin.then(|| "admin".to_owned());
        lines.chain(admin).collect()
    }

    /// Whether some event is hidden from them, stored or live.
    pub fn is_restricted(&self) -> bool {
        !self.resumed.is_all()
    }

    /// What is stored of a filter, for them.
    pub fn stored(&self, filter: &Filter) -> Result<Filter, Refusal> {
        filter.narrowed(&self.stored).ok_or(Refusal::Forbidden)
    }

    /// What comes of a filter, for them.
    pub fn live(&self, filter: &Filter) -> Result<Filter, Refusal> {
        filter.narrowed(&self.live).ok_or(Refusal::Forbidden)
    }

    /// What a subscription of theirs has of a filter when it begins with what is stored.
    pub fn resumed(&self, filter: &Filter) -> Result<Filter, Refusal> {
        filter.narrowed(&self.resumed).ok_or(Refusal::Forbidden)
    }

    /// Refuses a draft that they may not emit, naming its place.
    pub fn check_emit(&self, drafts: &[Draft]) -> Result<(), Refusal> {
        let is_allowed = |draft: &Draft| self.emit.matches(draft.kind.as_str(), &draft.ids);
        match drafts.iter().position(|draft| !is_allowed(draft)) {
            Some(index) => Err(Refusal::ForbiddenDraft {
                index: Some(index),
                is_without_project: drafts[index].ids.project_id.is_none()
                    && self.emit.as_slice().iter().all(is_of_projects),
            }),
            None => Ok(()),
        }
    }

    /// Refuses who may not emit anything, before their body is read.
    pub fn check_emits(&self) -> Result<(), Refusal> {
        if self.emit.is_nothing() {
            Err(Refusal::Forbidden)
        } else {
            Ok(())
        }
    }

    /// Refuses who is no administrator.
    pub fn check_admin(&self) -> Result<(), Refusal> {
        if self.is_admin {
            Ok(())
        } else {
            Err(Refusal::Forbidden)
        }
    }
}

fn is_of_projects(scope: &Scope) -> bool {
    scope.within().project_id.is_some()
}

/// `task.*, agent.started where project_id is 018f3c2e-…`
fn described(scope: &Scope) -> String {
    let patterns: Vec<_> = scope.patterns().iter().map(ToString::to_string).collect();
    let within = scope.within();
    let lists = [
        ("agent_id", &within.agent_id),
        ("session_id", &within.session_id),
        ("task_id", &within.task_id),
        ("project_id", &within.project_id),
    ];
    let conditions = lists.into_iter().filter_map(|(name, ids)| {
        let ids: Vec<_> = ids.as_ref()?.iter().map(ToString::to_string).collect();
        Some(format!("{name} is {}", ids.join(" or ")))
    });
    let conditions: Vec<_> = conditions.collect();
    match conditions.as_slice() {
        [] => patterns.join(", "),
        conditions => format!("{} where {}", patterns.join(", "), conditions.join(" and ")),
    }
}
