//! Who is measured: how each is started, published to and subscribed to, and what it promises.
//!
//! Configurations are in `bench/peers/config`, where each says why it is as it is; `bench/peers/README.md` says what the
//! peers are.

use std::path::Path;
use std::process::Command;

use super::installed::Installed;
use super::process::Place;
use super::publish::Publish;
use super::subscribe::Subscribe;
use crate::Outcome;
use crate::server::TOKEN;

/// Connections that our server is let have: the idle case, and publishers.
const MAX_CONNECTIONS: &str = "20000";

/// A server that can be measured.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// As rows name it, and whoever chooses it.
    pub name: &'static str,
    /// What becomes of an event that is published, in few words.
    pub keeps: &'static str,
    /// How it is published to, in few words.
    pub published_by: &'static str,
    /// The same for us; `None` is our own server's emit.
    pub publish: Option<Publish>,
    /// How it is subscribed to.
    pub subscribe: Subscribe,
    /// Where it comes from.
    pub source: Source,
}

/// Where a peer comes from, and how it is started.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// Our own server.
    Todoki,
    /// A baseline beside this program.
    Baseline(&'static str),
    /// `bench/peers/install`, with a configuration that is a template.
    Installed {
        /// Its name in our list of what is installed.
        package: &'static str,
        /// The file's name and text.
        config: (&'static str, &'static str),
        /// How it is run with that file.
        command: fn(&Installed, &Path) -> Command,
    },
}

/// Everybody, in the order of the tables.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "todoki",
        keeps: "durable log, replayed to whoever is behind",
        published_by: "HTTP POST, answered once durable",
        publish: None,
        subscribe: Subscribe::Todoki,
        source: Source::Todoki,
    },
    Peer {
        name: "bun",
        keeps: "nothing",
        published_by: "HTTP POST, answered",
        publish: Some(Publish::HttpLines),
        subscribe: Subscribe::WebSocket("/"),
        source: Source::Installed {
            package: "bun",
            config: ("bun.js", include_str!("../../peers/config/bun.js")),
            command: bun,
        },
    },
    Peer {
        name: "node_ws",
        keeps: "nothing",
        published_by: "HTTP POST, answered",
        publish: Some(Publish::HttpLines),
        subscribe: Subscribe::WebSocket("/"),
        source: Source::Installed {
            package: "node_ws",
            config: (
                "node-ws.cjs",
                include_str!("../../peers/config/node-ws.cjs"),
            ),
            command: node_ws,
        },
    },
    Peer {
        name: "nchan",
        keeps: "4096 newest in memory",
        published_by: "HTTP POST for each event, answered",
        publish: Some(Publish::HttpEach),
        subscribe: Subscribe::WebSocket("/subscribe"),
        source: Source::Installed {
            package: "nchan",
            config: ("nginx.conf", include_str!("../../peers/config/nginx.conf")),
            command: nginx,
        },
    },
    Peer {
        name: "nats",
        keeps: "nothing",
        published_by: "PUB over TCP, a PING for each batch at saturation",
        publish: Some(Publish::Nats),
        subscribe: Subscribe::Nats,
        source: Source::Installed {
            package: "nats",
            config: ("nats.conf", include_str!("../../peers/config/nats.conf")),
            command: nats,
        },
    },
    Peer {
        name: "mosquitto",
        keeps: "nothing",
        published_by: "MQTT PUBLISH of quality 0, a PINGREQ for each batch at saturation",
        publish: Some(Publish::Mqtt),
        subscribe: Subscribe::Mqtt,
        source: Source::Installed {
            package: "mosquitto",
            config: (
                "mosquitto.conf",
                include_str!("../../peers/config/mosquitto.conf"),
            ),
            command: mosquitto,
        },
    },
    Peer {
        name: "centrifugo",
        keeps: "nothing, as the channel has no history",
        published_by: "HTTP POST, answered",
        publish: Some(Publish::Centrifugo),
        subscribe: Subscribe::Centrifugo,
        source: Source::Installed {
            package: "centrifugo",
            config: (
                "centrifugo.json",
                include_str!("../../peers/config/centrifugo.json"),
            ),
            command: centrifugo,
        },
    },
    Peer {
        name: "baseline_fastwebsockets",
        keeps: "4096 newest in memory",
        published_by: "HTTP POST, answered",
        publish: Some(Publish::HttpLines),
        subscribe: Subscribe::WebSocket("/subscribe"),
        source: Source::Baseline("peer-fastwebsockets"),
    },
    Peer {
        name: "baseline_axum",
        keeps: "4096 newest in memory",
        published_by: "HTTP POST, answered",
        publish: Some(Publish::HttpLines),
        subscribe: Subscribe::WebSocket("/subscribe"),
        source: Source::Baseline("peer-axum"),
    },
];

impl Peer {
    /// Its version, or why it cannot be measured.
    pub fn version(&self, installed: &Installed) -> Result<String, String> {
        match self.source {
            Source::Todoki => Ok(format!("todoki {}", env!("CARGO_PKG_VERSION"))),
            Source::Baseline(program) => installed.own_version(program),
            Source::Installed { package, .. } => installed.version(package),
        }
    }

    /// How to run it there. `server` is our own server's program.
    pub fn command(
        &self,
        installed: &Installed,
        server: &Path,
        place: Place<'_>,
    ) -> Outcome<Command> {
        let address = format!("127.0.0.1:{}", place.port);
        Ok(match self.source {
            Source::Todoki => {
                let mut command = Command::new(server);
                command
                    .args(["serve", "--listen", &address, "--token", TOKEN])
                    .args(["--max-connections", MAX_CONNECTIONS, "--data-dir"])
                    .arg(place.data)
                    .env("TODOKI_LOG", "warn");
                command
            }
            Source::Baseline(program) => {
                let mut command = Command::new(installed.program(program));
                command.arg(address);
                command
            }
            Source::Installed {
                config: (name, template),
                command,
                ..
            } => {
                let file = place.data.join(name);
                std::fs::write(&file, filled(template, installed, place)?)?;
                command(installed, &file)
            }
        })
    }
}

/// A configuration's places, as they are here.
fn filled(template: &str, installed: &Installed, place: Place<'_>) -> Outcome<String> {
    let text = |path: &Path| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or("a path that is not text")
    };
    Ok(template
        .replace("{port}", &place.port.to_string())
        .replace("{data}", &text(place.data)?)
        .replace("{installed}", &text(installed.directory())?))
}

fn bun(installed: &Installed, config: &Path) -> Command {
    let machine = if cfg!(target_arch = "aarch64") {
        "aarch64"
    } else {
        "x64"
    };
    let program = format!("npm/node_modules/@oven/bun-linux-{machine}/bin/bun");
    let mut command = Command::new(installed.directory().join(program));
    command.arg("run").arg(config);
    command
}

fn node_ws(installed: &Installed, config: &Path) -> Command {
    let mut command = Command::new("node");
    command
        .env("NODE_PATH", installed.directory().join("npm/node_modules"))
        .env("NODE_ENV", "production")
        .arg(config);
    command
}

fn nginx(installed: &Installed, config: &Path) -> Command {
    let mut command = debian(installed, "nginx");
    command.arg("-c").arg(config);
    command
}

fn nats(installed: &Installed, config: &Path) -> Command {
    let mut command = debian(installed, "nats-server");
    command.arg("-c").arg(config);
    command
}

fn mosquitto(installed: &Installed, config: &Path) -> Command {
    let mut command = debian(installed, "mosquitto");
    command.arg("-c").arg(config);
    command
}

fn centrifugo(installed: &Installed, config: &Path) -> Command {
    let mut command = Command::new(installed.directory().join("bin/centrifugo"));
    command.arg("-c").arg(config);
    command
}

/// A program of an unpacked package, which finds its libraries beside it.
fn debian(installed: &Installed, program: &str) -> Command {
    let root = installed.directory().join("debian");
    let mut command = Command::new(root.join("usr/sbin").join(program));
    let machine = std::env::consts::ARCH;
    let libraries = format!("usr/lib/{machine}-linux-gnu");
    command.env("LD_LIBRARY_PATH", root.join(libraries));
    command
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn configurations_listen_on_this_machine_alone_and_have_no_place_left_open() {
        let directory = tempfile::tempdir().unwrap();
        let installed = Installed::read(directory.path().to_owned(), PathBuf::new());
        let place = Place {
            port: 4711,
            data: directory.path(),
        };
        for peer in PEERS {
            let Source::Installed { config, .. } = peer.source else {
                continue;
            };
            let text = filled(config.1, &installed, place).unwrap();
            assert!(text.contains("127.0.0.1"), "{}", peer.name);
            assert!(text.contains("4711"), "{}", peer.name);
            for open in ["{port}", "{data}", "{installed}"] {
                assert!(!text.contains(open), "{}", peer.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_as_the_results_have_them() {
        for (place, peer) in PEERS.iter().enumerate() {
            assert!(
                peer.name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            );
            assert!(PEERS[..place].iter().all(|other| other.name != peer.name));
        }
    }
}
