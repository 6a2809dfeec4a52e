//! Grants of subscribers: what they cost whoever fans out.
//!
//! All get the same events, of one project, from a server that knows all three; only what is granted to them differs, and
//! with it what the server asks of each event.

use tempfile::NamedTempFile;
use todoki::auth;
use uuid::Uuid;

use crate::Outcome;
use crate::sample::COMMON_KIND;
use crate::server::TOKEN;

/// The project that all events are of.
pub const PROJECT: Uuid = Uuid::from_u128(0x018f_3c2e_7b1a_7c3d_9e4f_5a6b_7c8d_9e11);

/// One that has no events.
const OTHER_PROJECT: Uuid = Uuid::from_u128(0x018f_3c2e_7b1a_7c3d_9e4f_5a6b_7c8d_9e10);

/// What is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// All there is: an event is not looked at.
    Everything,
    /// One project: its id is compared, as if it had been asked for.
    OneProject,
    /// Several kinds of several projects and agents, so that each event is judged by its kind and ids together.
    Differing,
}

impl Granted {
    /// One after the other.
    pub const ALL: [Self; 3] = [Self::Everything, Self::OneProject, Self::Differing];

    /// In words, as rows have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Everything => "todoki, everything granted",
            Self::OneProject => "todoki, one project granted",
            Self::Differing => "todoki, grants that differ",
        }
    }

    /// What whoever has such grants comes in with.
    pub fn token(self) -> &'static str {
        match self {
            Self::Everything => TOKEN,
            Self::OneProject => "bench-project",
            Self::Differing => "bench-differing",
        }
    }

    /// Their `grants` in `auth.toml`.
    fn grants(self) -> String {
        let grant = |kinds: &str, ids: &str| {
            format!(r#"{{ actions = ["read", "replay"], kinds = [{kinds}], where = {{ {ids} }} }}"#)
        };
        match self {
            Self::Everything => String::new(),
            Self::OneProject => grant(r#""*""#, &format!(r#"project_id = ["{PROJECT}"]"#)),
            Self::Differing => [
                grant(
                    r#""task.*", "human.message""#,
                    &format!(r#"agent_id = ["{OTHER_PROJECT}"]"#),
                ),
                grant(
                    r#""artifact.*", "permission.*""#,
                    &format!(r#"project_id = ["{OTHER_PROJECT}"]"#),
                ),
                grant(
                    &format!(r#""relay.*", "{COMMON_KIND}""#),
                    &format!(r#"project_id = ["{PROJECT}", "{OTHER_PROJECT}"]"#),
                ),
            ]
            .join(", "),
        }
    }
}

/// An `auth.toml` that knows them all.
pub fn file() -> Outcome<NamedTempFile> {
    let file = NamedTempFile::new()?;
    let entries = Granted::ALL
        .into_iter()
        .filter(|granted| *granted != Granted::Everything);
    let tokens = entries.map(|granted| {
        let (token, grants) = (granted.token(), granted.grants());
        let hash = auth::hash(token);
        format!("[[tokens]]\nlabel = \"{token}\"\nhash = \"{hash}\"\ngrants = [{grants}]\n")
    });
    std::fs::write(file.path(), tokens.collect::<String>())?;
    Ok(file)
}
