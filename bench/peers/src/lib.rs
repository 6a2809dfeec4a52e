//! What the baselines have in common: where they listen, and how events come in.
//!
//! Each is a program that is told an address, takes `POST /publish` with one event's JSON in each line of the body, and
//! sends each event to every WebSocket at `/subscribe` in a frame of its own. They forget everything: a subscriber that
//! is too far behind loses events, as `tokio::sync::broadcast` has it.

use std::net::SocketAddr;

use axum::Router;
use axum::serve::ListenerExt;
use mimalloc::MiMalloc;
use tokio::net::TcpListener;

/// The allocator of the server that they are compared with.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Events that a subscriber may be behind before it loses some: four seconds of the steady load, and 8 MiB of the largest
/// events that are measured, shared by all.
pub const BEHIND_EVENTS: usize = 4096;

/// Versions of what a baseline is made of, for whoever reports figures.
const LOCK: &str = include_str!("../Cargo.lock");

/// What a failure is told as: these programs only start and run.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Serves until the process is ended, at the address in the arguments; with `--version`, says what `crate_name` is.
pub async fn run(crate_name: &str, router: Router) -> Outcome<()> {
    let word = std::env::args().nth(1).ok_or("ADDRESS is missing")?;
    if word == "--version" {
        println!("{crate_name} {}", version(crate_name).unwrap_or("unknown"));
        return Ok(());
    }
    let address: SocketAddr = word.parse()?;
    let listener = TcpListener::bind(address).await?.tap_io(|socket| {
        // Without it small frames wait for acknowledgements; a socket that refuses is slower, and still works.
        socket.set_nodelay(true).ok();
    });
    Ok(axum::serve(listener, router).await?)
}

/// The events of a request's body.
pub fn lines(body: &str) -> impl Iterator<Item = &str> {
    body.lines().filter(|line| !line.is_empty())
}

fn version(crate_name: &str) -> Option<&'static str> {
    let (_, package) = LOCK.split_once(&format!("name = \"{crate_name}\"\n"))?;
    let (_, version) = package.split_once("version = \"")?;
    version.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_says_which_versions_these_are() {
        for name in ["axum", "fastwebsockets"] {
            assert!(version(name).is_some_and(|version| version.starts_with("0.")));
        }
    }

    #[test]
    fn empty_lines_are_no_events() {
        assert_eq!(lines("a\n\nb\n").collect::<Vec<_>>(), ["a", "b"]);
    }
}
