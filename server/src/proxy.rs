//! Who a request comes from, and over what: the socket's peer, or whom a trusted proxy names in its place.
//!
//! Anyone can write `X-Forwarded-For`, so it is believed from those alone whom the configuration trusts: from the right,
//! where each proxy adds whom it heard from, up to the first address that is no trusted proxy. `X-Forwarded-Proto` is
//! believed from the same, its last value. `Forwarded` (RFC 7239) is not read: nginx and Caddy do not write it, and a
//! proxy that passes on what a client wrote there would let the client choose between two truths.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use hyper::Request;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Bits of an IPv6 address that one customer of a network has in common: a limit on single addresses would be none, as
/// each customer has 2^64 of them.
const IPV6_GROUP_BITS: u32 = 64;

/// For how long a browser that was here over TLS comes back over nothing else: a year, as is usual. Other hosts below this
/// one are not ours to speak for.
const STRICT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Whose word counts about where a request comes from.
#[derive(Debug, Default)]
pub struct Proxies {
    trusted: Vec<IpNet>,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// The client's address, an IPv4 one always as such.
    pub ip: IpAddr,
    /// Whether nobody on the client's way could read along: TLS, by us or by a trusted proxy.
    pub is_secure: bool,
}

impl Proxies {
    /// Believes these.
    pub fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted }
    }

    /// Whether anyone is believed.
    pub fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }

    /// Whether this is the address of one that is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// Where a request with these headers comes from that a peer has sent, over TLS or not.
    pub fn client(&self, peer: IpAddr, is_secure: bool, headers: &HeaderMap) -> ClientAddress {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return ClientAddress {
                ip: peer,
                is_secure,
            };
        }
        ClientAddress {
            ip: self.behind(peer, headers),
            is_secure: is_secure || is_forwarded_secure(headers),
        }
    }

    /// The first from the right who is not trusted; or the last who is, where nobody else is named, or what is named is
    /// no address.
    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer;
        for hop in values_from_the_right(headers, &FORWARDED_FOR) {
            let Some(address) = address(hop) else {
                break;
            };
            nearest = address;
            if !self.trusts(nearest) {
                break;
            }
        }
        nearest
    }
}

impl ClientAddress {
    /// That of a request, which was put there when its head had been read.
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        request.extensions().get().copied()
    }

    /// What limits count by: an IPv4 address, or the network of an IPv6 one.
    pub fn group(self) -> IpAddr {
        group(self.ip)
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)
    }
}

/// What limits count an address by: itself, or the /64 of an IPv6 one.
pub fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << (128 - IPV6_GROUP_BITS));
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whether a client is to come back over TLS alone (HSTS, RFC 6797). Not on this machine itself: the rule is for all ports
/// of a host, and whoever tries something there has other servers on `localhost` without TLS.
pub fn is_strict(client: ClientAddress, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.split(':').next().unwrap_or_default());
    let is_here = name.is_some_and(|name| {
        let name = name.to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost")
    });
    client.is_secure && !is_here
}

/// Tells a browser so.
pub fn insist(headers: &mut HeaderMap) {
    headers.insert(STRICT_TRANSPORT_SECURITY, STRICT);
}

/// A network, or a single address: `10.0.0.0/8`, `::1`.
pub fn network(text: &str) -> Result<IpNet, String> {
    let net = text
        .parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            format!("{text:?} is not an address or a network such as 10.0.0.0/8 or ::1")
        })?;
    Ok(net)
}

/// The values of all lines of a header, which are one list, from its end on.
fn values_from_the_right<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    // A line that is no text is no address either, and ends the walk as one.
    let lines = lines.into_iter().rev();
    lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(',').map(str::trim))
}

fn is_forwarded_secure(headers: &HeaderMap) -> bool {
    values_from_the_right(headers, &FORWARDED_PROTO)
        .next()
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https") || scheme == "wss")
}

/// An address as proxies write it, some with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = |text: &str| text.parse::<IpAddr>().ok();
    let bracketed = || bare(text.strip_prefix('[')?.strip_suffix(']')?);
    let with_port = || Some(text.parse::<std::net::SocketAddr>().ok()?.ip());
    let address = bare(text).or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(trusted: &[&str]) -> Proxies {
        Proxies::new(trusted.iter().map(|net| network(net).unwrap()).collect())
    }

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let peer = peer.parse().unwrap();
        let address = proxies(trusted).client(peer, false, &headers);
        address.to_string()
    }

    #[test]
    fn a_header_of_whoever_is_not_trusted_is_not_believed() {
        assert_eq!(client(&[], "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        let trusted = ["10.0.0.0/8"];
        assert_eq!(client(&trusted, "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(
            client(&trusted, "10.1.2.3", &["203.0.113.9"]),
            "203.0.113.9"
        );
    }

    #[test]
    fn the_first_hop_from_the_right_that_is_not_trusted_is_the_client() {
        let trusted = ["10.0.0.0/8", "::1"];
        for (forwarded, expected) in [
            // What the client wrote itself stands on the left.
            (&["1.1.1.1, 203.0.113.9"][..], "203.0.113.9"),
            (&["1.1.1.1, 203.0.113.9, 10.0.0.7"], "203.0.113.9"),
            (&["1.1.1.1", "203.0.113.9,10.0.0.7"], "203.0.113.9"),
            // Nobody but proxies: the furthest of them asks for itself.
            (&["10.0.0.9, 10.0.0.7"], "10.0.0.9"),
            (&[], "::1"),
            // What is no address ends the walk at whom we know.
            (&["203.0.113.9, nonsense"], "::1"),
            (&["203.0.113.9, , 10.0.0.7"], "10.0.0.7"),
            (&["unknown"], "::1"),
            (&[""], "::1"),
            // As some write it.
            (&["203.0.113.9:4711"], "203.0.113.9"),
            (&["[2001:db8::7]:4711"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
        ] {
            assert_eq!(
                client(&trusted, "::1", forwarded),
                expected,
                "{forwarded:?}"
            );
        }
    }

    #[test]
    fn an_ipv4_peer_of_an_ipv6_socket_is_an_ipv4_peer() {
        let peer = "::ffff:10.1.2.3";
        assert_eq!(
            client(&["10.0.0.0/8"], peer, &["203.0.113.9"]),
            "203.0.113.9"
        );
        assert_eq!(client(&[], peer, &[]), "10.1.2.3");
    }

    #[test]
    fn the_scheme_is_that_of_the_nearest_proxy_and_of_a_trusted_one() {
        let is_secure = |peer: &str, schemes: &[&str]| {
            let mut headers = HeaderMap::new();
            for scheme in schemes {
                headers.append(FORWARDED_PROTO, scheme.parse().unwrap());
            }
            let peer = peer.parse().unwrap();
            proxies(&["10.0.0.0/8"])
                .client(peer, false, &headers)
                .is_secure
        };
        assert!(is_secure("10.0.0.1", &["https"]));
        assert!(is_secure("10.0.0.1", &["http, https"]));
        assert!(!is_secure("10.0.0.1", &["https, http"]));
        assert!(!is_secure("10.0.0.1", &["https", "http"]));
        assert!(!is_secure("10.0.0.1", &[]));
        assert!(!is_secure("192.0.2.1", &["https"]));
    }

    #[test]
    fn limits_count_an_ipv6_network_as_one() {
        let grouped = |text: &str| group(text.parse().unwrap()).to_string();
        assert_eq!(grouped("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(grouped("2001:db8:1:2:ffff::"), "2001:db8:1:2::");
        assert_eq!(grouped("192.0.2.1"), "192.0.2.1");
        assert_eq!(grouped("::ffff:192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn a_network_may_be_a_single_address() {
        assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("192.0.2.1").unwrap().to_string(), "192.0.2.1/32");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        for bad in ["", "10.0.0.0/33", "example.org", "10.0.0.0/", "10.0"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }
}
