//! What a set-up leaves open to others: the steps of docs/SECURITY.md, "Before it faces the internet", as far as they can
//! be looked at from here. Each is advice, as there may be a reason for it that nobody can see from here either.

use std::path::Path;

use ipnet::IpNet;

use crate::auth::Survey;
use crate::config;
use crate::limit::{Limits, Name};

/// Others may read it.
pub(super) const READ: u32 = 0o004;

/// Others may change it.
const WRITE: u32 = 0o002;

/// Others may list a directory, or reach what is in it.
const ENTER: u32 = 0o005;

/// A token that is shorter can be guessed by somebody with time. Ours have 24 characters.
const TOKEN_BYTES: usize = 16;

/// Proxies are not spread over more than the largest private network, 10.0.0.0/8.
const WIDEST_PREFIX: u8 = 8;

/// So many labels tell which tokens are meant; more would hide the other lines.
const LABELS: usize = 8;

/// The limits without which one principal can take what is there for all.
const PRINCIPALS: [Name; 2] = [Name::PrincipalEmits, Name::PrincipalStreams];

/// Which check it belongs to, and what to do.
pub(super) type Note = (&'static str, String);

/// All that is worth a second look.
pub(super) fn notes(config: &config::Serve, survey: Option<&Survey>) -> Vec<Note> {
    let mut notes = Vec::new();
    if let (Some(survey), Some(path)) = (survey, &config.auth) {
        notes.extend(of_tokens(config, survey, path));
        notes.extend(of_files(survey));
    }
    notes.extend(of_data(&config.data));
    notes.extend(config.trusted_proxy.iter().filter_map(of_proxy));
    if is_reached(config) {
        notes.extend(of_reach(config, survey.is_some()));
    }
    notes
}

/// Whether others than the programs of this machine can come: by themselves, or through a proxy.
fn is_reached(config: &config::Serve) -> bool {
    !config.listen.ip().is_loopback() || !config.trusted_proxy.is_empty()
}

fn of_tokens(config: &config::Serve, survey: &Survey, path: &Path) -> Vec<Note> {
    let mut notes = Vec::new();
    let file = path.display();
    if let Some(token) = config.given_token() {
        notes.push(format!(
            "a token is given beside {file} (--token, TODOKI_TOKEN or USER_TOKEN): it may do everything, and no revocation \
             touches it; better have none"
        ));
        notes.extend(short(&token));
    }
    if !survey.lets_in {
        notes.push(format!(
            "{file} lets nobody in: no token in it counts, and no issuer is named; make one with `todoki token new --add \
             {file}`"
        ));
    }
    notes.extend(endless(&survey.endless));
    notes.into_iter().map(|text| ("config", text)).collect()
}

/// What to say of a token that is short.
pub(super) fn short(token: &str) -> Option<String> {
    (token.len() < TOKEN_BYTES)
        .then(|| "the token is short; take 22 random characters or more".to_owned())
}

fn endless(labels: &[String]) -> Option<String> {
    let more = match labels.len().saturating_sub(LABELS) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (count, tokens) = match labels.len() {
        0 => return None,
        1 => (1, "token never expires"),
        count => (count, "tokens never expire"),
    };
    let named = &labels[..count.min(LABELS)];
    Some(format!(
        "{count} {tokens}: {}{more}; give each an `expires`, so that one that is lost or forgotten ends by itself",
        named.join(", ")
    ))
}

fn of_files(survey: &Survey) -> Vec<Note> {
    let readable = survey.secrets.iter().filter(|path| is_open(path, READ));
    let readable = readable.map(|path| {
        let path = path.display();
        format!("every user of this machine can read {path}; chmod o-r {path}")
    });
    let writable = survey.files.iter().filter(|path| is_open(path, WRITE));
    let writable = writable.map(|path| {
        let path = path.display();
        format!(
            "every user of this machine can change {path}, and with it who may come in; chmod o-w {path}"
        )
    });
    readable
        .chain(writable)
        .map(|text| ("config", text))
        .collect()
}

/// Whether others may do this with a file that is there.
pub(super) fn is_open(path: &Path, mode: u32) -> bool {
    rustix::fs::stat(path).is_ok_and(|stat| stat.st_mode & mode != 0)
}

fn of_data(data: &Path) -> Option<Note> {
    is_open(data, ENTER | WRITE).then(|| {
        let data = data.display();
        let text = format!(
            "every user of this machine can look into {data}, where events and a generated token are kept; chmod o-rwx {data}"
        );
        ("disk", text)
    })
}

fn of_proxy(network: &IpNet) -> Option<Note> {
    (network.prefix_len() < WIDEST_PREFIX).then(|| {
        let text = format!(
            "--trusted-proxy {network} is wider than any network of proxies: whoever is in it can take any address, and is held by \
             no limit of addresses; name the proxy's own address"
        );
        ("proxy", text)
    })
}

/// What matters only where others come.
fn of_reach(config: &config::Serve, has_file: bool) -> Vec<Note> {
    let mut notes = Vec::new();
    if config.allow_query_token {
        notes.push((
            "config",
            "--allow-query-token takes tokens from addresses, which proxies and browsers keep; change clients to send them \
             in a header, or to ask for a ticket"
                .to_owned(),
        ));
    }
    if config.open_metrics {
        notes.push((
            "config",
            "--open-metrics tells volumes to whoever reaches the port; give the scraper a token whose role has nothing but \
             `admin`"
                .to_owned(),
        ));
    }
    // One token for all is one principal: its limits would be everybody's together.
    if has_file {
        notes.extend(unlimited(&Limits::new(&config.limit)));
    }
    notes
}

fn unlimited(limits: &Limits) -> Option<Note> {
    let unset = PRINCIPALS
        .iter()
        .filter(|name| limits.get(**name).is_none());
    let unset: Vec<_> = unset.map(|name| name.limit().name).collect();
    (!unset.is_empty()).then(|| {
        let text = format!(
            "nothing bounds what one token takes ({} unset); set --limit principal-emits=… and --limit principal-streams=… \
             to what a client of yours needs",
            unset.join(", ")
        );
        ("limits", text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_without_an_end_are_counted_and_named() {
        let labels = |count: usize| (0..count).map(|at| format!("t{at}")).collect::<Vec<_>>();
        assert_eq!(endless(&[]), None);
        let one = endless(&labels(1)).unwrap();
        assert!(one.starts_with("1 token never expires: t0; "), "{one}");
        let many = endless(&labels(LABELS + 2)).unwrap();
        assert!(many.starts_with("10 tokens never expire: t0, "), "{many}");
        assert!(many.contains("t7 and 2 more; "), "{many}");
    }

    #[test]
    fn a_network_is_too_wide_for_proxies_beyond_the_largest_private_one() {
        let is_noted = |network: &str| of_proxy(&network.parse().unwrap()).is_some();
        assert!(is_noted("0.0.0.0/0") && is_noted("::/0") && is_noted("8.0.0.0/7"));
        assert!(!is_noted("10.0.0.0/8") && !is_noted("127.0.0.1/32") && !is_noted("fd00::/8"));
    }
}
