//! Grants as people and tokens write them, and what they mean: the same words in `auth.toml` and in a JWT.

use std::fmt;

use serde::{Deserialize, Serialize};
use todoki_codec::limits::{GRANT_IDS, PATTERNS};
use todoki_codec::{Pattern, Scope, Within};
use uuid::Uuid;

use super::principal::{Action, Grant};

/// Actions, kinds and ids as they are written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantText {
    pub(crate) actions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kinds: Option<Vec<String>>,
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub(crate) within: Option<WithinText>,
}

#[expect(
    clippy::struct_field_names,
    reason = "they are the members of an event"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WithinText {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent_id: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session_id: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) task_id: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project_id: Option<Vec<String>>,
}

/// As `auth.toml` has it. Whatever [`GrantText::grant`] takes needs no escapes.
impl fmt::Display for GrantText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ actions = {:?}", self.actions)?;
        if let Some(kinds) = &self.kinds {
            write!(f, ", kinds = {kinds:?}")?;
        }
        if let Some(within) = &self.within {
            write!(f, ", where = {within}")?;
        }
        f.write_str(" }")
    }
}

impl fmt::Display for WithinText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ("project_id", &self.project_id),
            ("agent_id", &self.agent_id),
            ("session_id", &self.session_id),
            ("task_id", &self.task_id),
        ];
        let lists = lists.into_iter().filter_map(|(key, ids)| {
            let ids = ids.as_ref()?;
            Some(format!("{key} = {ids:?}"))
        });
        write!(f, "{{ {} }}", lists.collect::<Vec<_>>().join(", "))
    }
}

impl GrantText {
    /// What is meant, or which key says nothing that can be meant.
    pub(crate) fn grant(&self) -> Result<Grant, String> {
        let actions = self.actions()?;
        if actions.contains(&Action::Admin) && (self.kinds.is_some() || self.within.is_some()) {
            return Err(
                "actions: \"admin\" is about the whole server, so it cannot be granted on some kinds or ids; give \
                 it a grant of its own without `kinds` and `where`"
                    .into(),
            );
        }
        let within = match &self.within {
            Some(text) => text.within()?,
            None => Within::default(),
        };
        Ok(Grant {
            actions,
            scope: Scope::new(self.patterns()?, within),
        })
    }

    fn actions(&self) -> Result<Vec<Action>, String> {
        if self.actions.is_empty() {
            return Err(
                "actions must name at least one of \"read\", \"replay\", \"emit\", \"admin\""
                    .into(),
            );
        }
        self.actions.iter().map(|text| action(text)).collect()
    }

    fn patterns(&self) -> Result<Vec<Pattern>, String> {
        let Some(kinds) = &self.kinds else {
            return Ok(Vec::new());
        };
        if kinds.is_empty() {
            return Err("kinds is empty; leave it out to mean all kinds, or write [\"*\"]".into());
        }
        if kinds.len() > PATTERNS {
            return Err(format!(
                "kinds has {} patterns; at most {PATTERNS} are taken",
                kinds.len()
            ));
        }
        let parse = |(at, text): (usize, &String)| {
            Pattern::parse(text).map_err(|error| format!("kinds[{at}] {error}"))
        };
        kinds.iter().enumerate().map(parse).collect()
    }
}

impl WithinText {
    fn within(&self) -> Result<Within, String> {
        Ok(Within {
            agent_id: ids("where.agent_id", self.agent_id.as_deref())?,
            session_id: ids("where.session_id", self.session_id.as_deref())?,
            task_id: ids("where.task_id", self.task_id.as_deref())?,
            project_id: ids("where.project_id", self.project_id.as_deref())?,
        })
    }
}

fn action(text: &str) -> Result<Action, String> {
    match text {
        "read" => Ok(Action::Read),
        "replay" => Ok(Action::Replay),
        "emit" => Ok(Action::Emit),
        "admin" => Ok(Action::Admin),
        _ => Err(format!(
            "actions has {text:?}; it takes \"read\", \"replay\", \"emit\" and \"admin\""
        )),
    }
}

/// The ids of a list; `None` is any. An empty list would let nothing through, which nobody writes on purpose.
pub(super) fn ids(key: &str, texts: Option<&[String]>) -> Result<Option<Vec<Uuid>>, String> {
    let Some(texts) = texts else { return Ok(None) };
    if texts.is_empty() {
        return Err(format!("{key} is empty; leave it out to mean any id"));
    }
    if texts.len() > GRANT_IDS {
        return Err(format!(
            "{key} has {} ids; at most {GRANT_IDS} are taken",
            texts.len()
        ));
    }
    let parse = |(at, text): (usize, &String)| id(&format!("{key}[{at}]"), text);
    let ids: Result<Vec<_>, _> = texts.iter().enumerate().map(parse).collect();
    ids.map(Some)
}

/// One id, in the form that events have it.
pub(super) fn id(key: &str, text: &str) -> Result<Uuid, String> {
    let hyphenated = text.parse::<uuid::fmt::Hyphenated>();
    hyphenated.map(Into::into).map_err(|_| {
        format!(
            "{key} is {text:?}, which is not a UUID such as 018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f"
        )
    })
}

/// These grants on these projects alone. What was granted on others is gone, and so is what is about the whole server.
pub(super) fn within_projects(grants: &[Grant], projects: &[Uuid]) -> Vec<Grant> {
    let narrow = |grant: &Grant| {
        let granted = &grant.scope.within().project_id;
        let is_granted = |id: &&Uuid| granted.as_ref().is_none_or(|ids| ids.contains(id));
        let within = Within {
            project_id: Some(projects.iter().filter(is_granted).copied().collect()),
            ..grant.scope.within().clone()
        };
        Grant {
            actions: grant.actions.clone(),
            scope: Scope::new(grant.scope.patterns().to_vec(), within),
        }
    };
    grants.iter().map(narrow).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::auth::Principal;
    use todoki_codec::{Filter, Ids};

    fn grant(text: &str) -> Result<Grant, String> {
        toml::from_str::<GrantText>(text)
            .map_err(|error| error.message().to_owned())?
            .grant()
    }

    #[test]
    fn a_grant_says_what_on_which_kinds_and_ids() {
        let project = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
        let text = format!(
            "actions = [\"read\", \"emit\"]\nkinds = [\"task.*\"]\nwhere = {{ project_id = [\"{project}\"] }}"
        );
        let grant = grant(&text).unwrap();
        assert_eq!(grant.actions, [Action::Read, Action::Emit]);
        let ids = Ids {
            project_id: Some(project.parse().unwrap()),
            ..Ids::default()
        };
        assert!(grant.scope.matches("task.created", &ids));
        assert!(!grant.scope.matches("agent.started", &ids));
        assert!(!grant.scope.matches("task.created", &Ids::default()));
    }

    #[test]
    fn a_grant_is_written_as_it_is_read() {
        let ids = |number| Some(vec![Uuid::from_u128(number).to_string()]);
        let kinds = Some(vec!["task.*".to_owned(), "agent.error".to_owned()]);
        let within = WithinText {
            agent_id: ids(1),
            session_id: ids(2),
            task_id: ids(3),
            project_id: ids(4),
        };
        for (kinds, within) in [
            (None, None),
            (kinds.clone(), None),
            (
                None,
                Some(WithinText {
                    agent_id: None,
                    ..within.clone()
                }),
            ),
            (kinds, Some(within)),
        ] {
            let actions = vec!["read".to_owned(), "emit".to_owned()];
            let grant = GrantText {
                actions,
                kinds,
                within,
            };
            let toml = toml::from_str::<BTreeMap<String, GrantText>>(&format!("grant = {grant}"));
            assert_eq!(toml.unwrap()["grant"], grant);
            let mut json = simd_json::serde::to_vec(&grant).unwrap();
            assert_eq!(
                simd_json::serde::from_slice::<GrantText>(&mut json).unwrap(),
                grant
            );
            assert!(grant.grant().is_ok());
        }
    }

    #[test]
    fn a_grant_that_can_mean_nothing_is_named() {
        for (text, said) in [
            ("actions = []", "at least one of"),
            ("actions = [\"write\"]", "\"write\""),
            ("kinds = [\"a\"]", "missing field `actions`"),
            (
                "actions = [\"read\"]\nkind = [\"a\"]",
                "unknown field `kind`",
            ),
            ("actions = [\"read\"]\nkinds = []", "kinds is empty"),
            (
                "actions = [\"read\"]\nkinds = [\"a\", \"b..c\"]",
                "kinds[1] has an empty segment",
            ),
            (
                "actions = [\"read\"]\nwhere = { project = [] }",
                "unknown field `project`",
            ),
            (
                "actions = [\"read\"]\nwhere = { task_id = [] }",
                "where.task_id is empty",
            ),
            (
                "actions = [\"read\"]\nwhere = { task_id = [\"x\"] }",
                "where.task_id[0] is \"x\"",
            ),
            (
                "actions = [\"admin\"]\nkinds = [\"a\"]",
                "a grant of its own",
            ),
        ] {
            let error = grant(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        let many = format!(
            "actions = [\"read\"]\nkinds = {:?}",
            vec!["a"; PATTERNS + 1]
        );
        assert!(grant(&many).unwrap_err().contains("at most 64"));
    }

    #[test]
    fn whoever_is_narrowed_to_a_project_sees_no_other_and_administrates_nothing() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let all = grant("actions = [\"read\", \"admin\"]").unwrap();
        let elsewhere = grant(&format!(
            "actions = [\"emit\"]\nwhere = {{ project_id = [\"{other}\"] }}"
        ))
        .unwrap();
        let principal = Principal::new("p", &within_projects(&[all, elsewhere], &[one])).unwrap();
        let mine = principal.live(&Filter::default()).unwrap();
        let of = |id| Ids {
            project_id: Some(id),
            ..Ids::default()
        };
        let is_shown = |ids| mine.matches_ids(&ids) && mine.matches_scopes("a", &ids);
        assert!(is_shown(of(one)));
        assert!(!is_shown(of(other)));
        assert!(principal.check_emits().is_err());
        assert!(principal.check_admin().is_err());
    }
}
