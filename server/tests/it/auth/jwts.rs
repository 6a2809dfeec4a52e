//! JWTs: a table of tokens, each with what becomes of it and why.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use todoki::auth::{Auth, SigningKey};

use super::{claims, key_file, seconds, signing_key};
use crate::harness::{TestServer, within};

const SECRET: &str = "a secret of the tests, of thirty-two bytes and more";
const LATEST: &str = "/api/event-bus/latest";
const PROJECT: &str = "018f3c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";

/// Four issuers: one with public keys, some of them named; one with a secret; one whose tokens are for a project; and one
/// with a single key that nobody named.
fn auth_toml() -> String {
    let file = |name| key_file(name).display().to_string();
    format!(
        r#"
[roles.tasks]
grants = [{{ actions = ["read", "replay"], kinds = ["task.*"] }}]

[[jwt]]
issuer = "https://id.example"
audience = ["todoki", "todoki-staging"]
algorithms = ["RS256", "ES256", "EdDSA"]
keys = [
    {{ file = "{rsa}", kid = "rsa" }}, {{ file = "{ec}", kid = "ec" }}, {{ file = "{ed}", kid = "ed" }}, "{ed}",
]

[[jwt]]
issuer = "secretive"
audience = "todoki"
algorithms = ["HS256"]
secret_file = "secret"

[[jwt]]
issuer = "tenants"
audience = "todoki"
algorithms = ["EdDSA"]
keys = ["{ed}"]
role_claim = "https://todoki.example/role"
project_claim = "tenant"

[[jwt]]
issuer = "single"
audience = "todoki"
algorithms = ["RS256"]
keys = ["{rsa}"]

[revoked]
subjects = ["mallory", "jwt:https://id.example#oscar"]
jti = ["stolen"]
"#,
        rsa = file("rsa.pub.pem"),
        ec = file("ec.pub.pem"),
        ed = file("ed.pub.pem"),
    )
}

fn secret() -> SigningKey {
    SigningKey::read(SECRET.as_bytes()).unwrap()
}

/// A token of the first issuer, signed with its Ed25519 key.
fn ed(claims: &str) -> String {
    signed(
        "ed.pem",
        r#"{"alg":"EdDSA","typ":"JWT","kid":"ed"}"#,
        claims,
    )
}

fn signed(key: &str, header: &str, claims: &str) -> String {
    signing_key(key).sign(header, claims).unwrap()
}

/// A token with this header and no true signature.
fn unsigned(header: &str, claims: &str, signature: &str) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}.{signature}")
}

/// The claims with one of them in another form.
fn with(name: &str, value: &str) -> String {
    let mut members = vec![
        ("iss", r#""https://id.example""#.to_owned()),
        ("aud", r#""todoki""#.to_owned()),
        ("sub", r#""ann""#.to_owned()),
        ("exp", seconds(600).to_string()),
    ];
    members.retain(|(key, _)| *key != name);
    if !value.is_empty() {
        members.push((name, value.to_owned()));
    }
    let members: Vec<_> = members
        .iter()
        .map(|(key, value)| format!("\"{key}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn good() -> Vec<(&'static str, String)> {
    let role = claims(r#","role":"viewer""#);
    let of = |issuer: &str, more: &str| claims(more).replace("https://id.example", issuer);
    vec![
        ("EdDSA", ed(&role)),
        (
            "RS256",
            signed("rsa.pem", r#"{"alg":"RS256","kid":"rsa"}"#, &role),
        ),
        (
            "ES256",
            signed("ec.pem", r#"{"alg":"ES256","kid":"ec"}"#, &role),
        ),
        (
            "HS256",
            secret()
                .sign(
                    r#"{"alg":"HS256"}"#,
                    &of("secretive", r#","role":"viewer""#),
                )
                .unwrap(),
        ),
        (
            "no kid, and one key without a name",
            signed("ed.pem", r#"{"alg":"EdDSA"}"#, &role),
        ),
        (
            "no kid, and the only key",
            signed(
                "rsa.pem",
                r#"{"alg":"RS256"}"#,
                &of("single", r#","role":"viewer""#),
            ),
        ),
        (
            "the type of RFC 9068",
            signed(
                "ed.pem",
                r#"{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}"#,
                &role,
            ),
        ),
        (
            "several audiences",
            ed(&with(
                "aud",
                r#"["other","todoki-staging"],"role":"viewer""#,
            )),
        ),
        (
            "expired, within the leeway",
            ed(&with(
                "exp",
                &format!("{},\"role\":\"viewer\"", seconds(-5)),
            )),
        ),
        (
            "a time with a fraction",
            ed(&with(
                "exp",
                &format!("{}.5,\"role\":\"viewer\"", seconds(600)),
            )),
        ),
        (
            "valid from within the leeway on",
            ed(&claims(&format!(
                r#","nbf":{},"role":"viewer""#,
                seconds(5)
            ))),
        ),
        (
            "several roles, one of them of another program",
            ed(&claims(r#","role":["viewer","baker"]"#)),
        ),
        (
            "grants written out",
            ed(&claims(r#","grants":[{"actions":["read","replay"]}]"#)),
        ),
        (
            "keys that it brings are not looked at",
            signed(
                "ed.pem",
                r#"{"alg":"EdDSA","kid":"ed","jku":"http://127.0.0.1:1/","x5u":"http://127.0.0.1:1/","jwk":{"kty":"oct","k":"AAAA"}}"#,
                &role,
            ),
        ),
        (
            "members of the header that nobody knows",
            signed("ed.pem", r#"{"alg":"EdDSA","kid":"ed","x":[1]}"#, &role),
        ),
        (
            "a tenant's",
            signed(
                "ed.pem",
                r#"{"alg":"EdDSA"}"#,
                &of(
                    "tenants",
                    &format!(r#","https://todoki.example/role":"viewer","tenant":"{PROJECT}""#),
                ),
            ),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn bad() -> Vec<(&'static str, String, &'static str)> {
    let role = claims(r#","role":"viewer""#);
    let public = std::fs::read(key_file("rsa.pub.pem")).unwrap();
    let confused = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &public);
    let confusing = |header: &str| {
        let token = unsigned(header, &role, "");
        let signature = ring::hmac::sign(&confused, token.trim_end_matches('.').as_bytes());
        format!("{token}{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let right = ed(&role);
    let (message, signature) = right.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let other = ed(&claims(r#","role":"admin""#));
    let other_payload = other.split('.').nth(1).unwrap();
    let of = |issuer: &str, more: &str| claims(more).replace("https://id.example", issuer);
    let tenant = |more: &str| signed("ed.pem", r#"{"alg":"EdDSA"}"#, &of("tenants", more));
    let kid = |header: &str| signed("ed.pem", header, &role);
    let many = vec![r#"{"actions":["read"]}"#; 33].join(",");
    vec![
        (
            "none",
            unsigned(r#"{"alg":"none"}"#, &role, ""),
            "algorithm is \"none\"",
        ),
        (
            "None",
            unsigned(r#"{"alg":"None","kid":"ed"}"#, &role, ""),
            "algorithm is \"None\"",
        ),
        (
            "NONE, signed",
            unsigned(r#"{"alg":"NONE","kid":"ed"}"#, &role, signature),
            "algorithm is",
        ),
        (
            "no algorithm",
            unsigned(r#"{"kid":"ed"}"#, &role, signature),
            "algorithm is \"\"",
        ),
        (
            "an algorithm that is no string",
            unsigned(r#"{"alg":["EdDSA"],"kid":"ed"}"#, &role, signature),
            "algorithm is \"\"",
        ),
        (
            "the public key as a secret",
            confusing(r#"{"alg":"HS256","kid":"rsa"}"#),
            "algorithm is \"HS256\"",
        ),
        (
            "the public key as a secret, under a right algorithm",
            confusing(r#"{"alg":"RS256","kid":"rsa"}"#),
            "signature",
        ),
        (
            "HS256 with the wrong secret",
            SigningKey::read(&[b'x'; 40])
                .unwrap()
                .sign(r#"{"alg":"HS256"}"#, &of("secretive", ""))
                .unwrap(),
            "signature",
        ),
        (
            "another issuer's algorithm",
            signed("ed.pem", r#"{"alg":"EdDSA"}"#, &of("secretive", "")),
            "algorithm is \"EdDSA\"",
        ),
        (
            "another key's algorithm",
            signed("ed.pem", r#"{"alg":"RS256","kid":"ed"}"#, &role),
            "algorithm is \"RS256\"",
        ),
        (
            "PS256",
            unsigned(r#"{"alg":"PS256","kid":"rsa"}"#, &role, signature),
            "algorithm is \"PS256\"",
        ),
        (
            "RS512",
            unsigned(r#"{"alg":"RS512","kid":"rsa"}"#, &role, signature),
            "algorithm is \"RS512\"",
        ),
        (
            "the case of the algorithm",
            kid(r#"{"alg":"eddsa","kid":"ed"}"#),
            "algorithm is \"eddsa\"",
        ),
        (
            "another's key",
            signed("ed-other.pem", r#"{"alg":"EdDSA","kid":"ed"}"#, &role),
            "signature",
        ),
        (
            "another's RSA key",
            signed("rsa-other.pem", r#"{"alg":"RS256","kid":"rsa"}"#, &role),
            "signature",
        ),
        ("no signature", format!("{message}."), "signature"),
        (
            "half a signature",
            format!("{message}.{}", signature.get(..40).unwrap()),
            "signature",
        ),
        (
            "another signature",
            format!("{message}.{}", other.rsplit_once('.').unwrap().1),
            "signature",
        ),
        (
            "other claims under the signature",
            format!("{header}.{other_payload}.{signature}"),
            "signature",
        ),
        ("a signature with padding", format!("{right}=="), ""),
        (
            "no kid, and an algorithm whose keys all have names",
            signed("rsa.pem", r#"{"alg":"RS256"}"#, &role),
            "algorithm is \"RS256\"",
        ),
        (
            "an unknown kid",
            kid(r#"{"alg":"EdDSA","kid":"eD"}"#),
            "kid is \"eD\"",
        ),
        (
            "a kid that is a path",
            kid(r#"{"alg":"EdDSA","kid":"../../../../dev/null"}"#),
            "kid is",
        ),
        (
            "a kid that is SQL",
            kid(r#"{"alg":"EdDSA","kid":"' OR 1=1 --"}"#),
            "kid is",
        ),
        (
            "a kid that is an address",
            kid(r#"{"alg":"EdDSA","kid":"http://127.0.0.1:1/"}"#),
            "kid is",
        ),
        (
            "a kid that is a number",
            kid(r#"{"alg":"EdDSA","kid":1}"#),
            "kid that is no string",
        ),
        (
            "an empty kid",
            kid(r#"{"alg":"EdDSA","kid":""}"#),
            "kid is \"\"",
        ),
        (
            "a kid twice",
            kid(r#"{"alg":"EdDSA","kid":"ed","kid":"ed"}"#),
            "duplicate key",
        ),
        (
            "an algorithm twice",
            kid(r#"{"alg":"none","alg":"EdDSA","kid":"ed"}"#),
            "duplicate key",
        ),
        (
            "crit",
            kid(r#"{"alg":"EdDSA","kid":"ed","crit":["exp"]}"#),
            "crit",
        ),
        (
            "an unencoded payload",
            kid(r#"{"alg":"EdDSA","kid":"ed","b64":false,"crit":["b64"]}"#),
            "crit",
        ),
        (
            "a token for logging out",
            kid(r#"{"alg":"EdDSA","kid":"ed","typ":"logout+jwt"}"#),
            "typ",
        ),
        (
            "a header that is a list",
            unsigned("[]", &role, signature),
            "header: it is no object",
        ),
        (
            "a header that is no JSON",
            unsigned("{", &role, signature),
            "header:",
        ),
        (
            "claims that are no object",
            unsigned(r#"{"alg":"EdDSA"}"#, "1", signature),
            "claims: it is no object",
        ),
        ("claims that are no JSON", ed("{\"iss\":"), "claims:"),
        (
            "claims that are not UTF-8",
            format!(
                "{header}.{}.{signature}",
                URL_SAFE_NO_PAD.encode(b"\"\xff\"")
            ),
            "claims:",
        ),
        (
            "base64 of the other alphabet",
            format!("{header}.{}.{signature}", "+/+/"),
            "claims:",
        ),
        (
            "two parts and nothing",
            format!("{header}..{signature}"),
            "claims:",
        ),
        ("nothing but dots", "..".into(), "header:"),
        (
            "a subject twice",
            ed(&claims(r#","sub":"bob""#)),
            "duplicate key",
        ),
        (
            "a role twice, once escaped",
            ed(&claims(r#","role":"viewer","r\u006fle":"admin""#)),
            "duplicate key",
        ),
        (
            "a grant's member twice",
            ed(&claims(
                r#","grants":[{"actions":["read"],"actions":["admin"]}]"#,
            )),
            "duplicate key",
        ),
        (
            "over 8 KiB",
            ed(&claims(&format!(r#","x":"{}""#, "x".repeat(8 << 10)))),
            "at most 8192",
        ),
        (
            "deeper than anyone nests",
            ed(&claims(&format!(
                r#","x":{}{}"#,
                "[".repeat(70),
                "]".repeat(70)
            ))),
            "claims:",
        ),
        ("no issuer", ed(&with("iss", "")), "issuer is \"\""),
        (
            "an issuer that nobody knows",
            ed(&with("iss", "\"https://id.example.org\"")),
            "issuer is",
        ),
        (
            "an issuer with a slash more",
            ed(&with("iss", "\"https://id.example/\"")),
            "issuer is",
        ),
        (
            "several issuers",
            ed(&with("iss", r#"["https://id.example"]"#)),
            "issuer is \"\"",
        ),
        ("no audience", ed(&with("aud", "")), "no aud"),
        (
            "another audience",
            ed(&with("aud", "\"other\"")),
            "for others",
        ),
        ("no audience in a list", ed(&with("aud", "[]")), ""),
        ("an audience that is a number", ed(&with("aud", "1")), ""),
        ("no expiry", ed(&with("exp", "")), "no exp"),
        (
            "expired",
            ed(&with("exp", &seconds(-11).to_string())),
            "expired",
        ),
        ("expired long ago", ed(&with("exp", "0")), "expired"),
        ("expired before 1970", ed(&with("exp", "-1e3")), ""),
        (
            "an expiry that is text",
            ed(&with("exp", &format!("\"{}\"", seconds(600)))),
            "exp",
        ),
        ("an expiry that is null", ed(&with("exp", "null")), ""),
        (
            "an expiry beyond all numbers",
            ed(&with("exp", "1e400")),
            "",
        ),
        (
            "an expiry beyond the calendar",
            ed(&with("exp", "1e18")),
            "exp is no time",
        ),
        (
            "not valid yet",
            ed(&claims(&format!(r#","nbf":{}"#, seconds(11 + 60)))),
            "not valid yet",
        ),
        ("valid from text on", ed(&claims(r#","nbf":"now""#)), "nbf"),
        ("no subject", ed(&with("sub", "")), "no sub"),
        ("a subject that is a number", ed(&with("sub", "7")), ""),
        ("an empty subject", ed(&with("sub", "\"\"")), "sub must be"),
        (
            "a subject with a line break",
            ed(&with("sub", "\"ann\\nadmin\"")),
            "sub must be",
        ),
        (
            "a subject that is a book",
            ed(&with("sub", &format!("\"{}\"", "x".repeat(257)))),
            "sub must be",
        ),
        (
            "an id that is a number",
            ed(&claims(r#","jti":7"#)),
            "jti must be",
        ),
        (
            "a revoked subject",
            ed(&with("sub", "\"mallory\"")),
            "[revoked] subjects",
        ),
        (
            "a subject revoked by its whole name",
            ed(&with("sub", "\"oscar\"")),
            "[revoked] subjects",
        ),
        (
            "a revoked id",
            ed(&claims(r#","jti":"stolen""#)),
            "[revoked] jti",
        ),
        (
            "a role that is a number",
            ed(&claims(r#","role":7"#)),
            "role must be",
        ),
        (
            "a role in an object",
            ed(&claims(r#","role":{"name":"viewer"}"#)),
            "role must be",
        ),
        (
            "grants that are text",
            ed(&claims(r#","grants":"all""#)),
            "grants:",
        ),
        (
            "grants of an unknown action",
            ed(&claims(r#","grants":[{"actions":["own"]}]"#)),
            "actions has \"own\"",
        ),
        (
            "grants with an unknown member",
            ed(&claims(r#","grants":[{"actions":["read"],"kind":["a"]}]"#)),
            "unknown field",
        ),
        (
            "grants of a bad pattern",
            ed(&claims(
                r#","grants":[{"actions":["read"],"kinds":["*.a"]}]"#,
            )),
            "kinds[0]",
        ),
        (
            "33 grants",
            ed(&claims(&format!(r#","grants":[{many}]"#))),
            "at most 32",
        ),
        (
            "a tenant's without a project",
            tenant(r#","https://todoki.example/role":"viewer""#),
            "no tenant",
        ),
        (
            "a tenant's of no project",
            tenant(r#","tenant":[]"#),
            "tenant is empty",
        ),
        (
            "a tenant's of a project that is none",
            tenant(r#","tenant":"one""#),
            "tenant[0] is \"one\"",
        ),
    ]
}

async fn server() -> TestServer {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("secret"), SECRET).unwrap();
    let path = data.path().join("auth.toml");
    std::fs::write(&path, auth_toml()).unwrap();
    TestServer::start_in(data, |config| config.auth = Some(path)).await
}

fn opened() -> Auth {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), SECRET).unwrap();
    let path = dir.path().join("auth.toml");
    std::fs::write(&path, auth_toml()).unwrap();
    Auth::open(&path, None).unwrap()
}

#[tokio::test]
async fn each_token_of_the_table_is_taken_or_refused_for_its_reason() {
    let auth = opened();
    for (name, token) in good() {
        let admitted = auth.judge(&token).await;
        let admission = admitted.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert!(admission.expires.is_some(), "{name}");
        // The second time it is known.
        assert!(auth.judge(&token).await.is_ok(), "{name}");
        assert!(auth.readmit(&admission).is_ok(), "{name}");
    }
    let bad = bad();
    assert!(bad.len() >= 40);
    for (name, token, reason) in bad {
        let fault = auth.judge(&token).await.expect_err(name).to_string();
        assert!(fault.contains(reason), "{name}: {fault}");
        assert!(!fault.contains(&token), "{name}: {fault}");
    }
}

#[tokio::test]
async fn every_bad_token_gets_the_same_answer() {
    let server = server().await;
    for (name, token) in good() {
        let answer = server.get_as(&token, LATEST).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
    }
    let unknown = server.get_as("nobody", LATEST).await;
    assert_eq!(unknown.code(), "unauthorised");
    for (name, token, _) in bad() {
        let answer = server.get_as(&token, LATEST).await;
        assert_eq!(
            (answer.status, &answer.body),
            (401, &unknown.body),
            "{name}"
        );
        assert_eq!(
            answer.header("www-authenticate"),
            unknown.header("www-authenticate"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn claims_say_what_is_granted() {
    let auth = opened();
    let allowed = async |token: String| auth.judge(&token).await.unwrap().principal.allowed();
    assert_eq!(allowed(ed(&claims(""))).await, Vec::<String>::new());
    assert_eq!(
        allowed(ed(&claims(r#","role":"baker""#))).await,
        Vec::<String>::new()
    );
    assert_eq!(
        allowed(ed(&claims(r#","role":"viewer""#))).await,
        ["read    *", "replay  *"]
    );
    let both =
        claims(r#","role":["tasks"],"grants":[{"actions":["emit"],"kinds":["human.message"]}]"#);
    assert_eq!(
        allowed(ed(&both)).await,
        ["read    task.*", "replay  task.*", "emit    human.message"]
    );
    let tenant = claims(&format!(
        r#","https://todoki.example/role":"operator","tenant":["{PROJECT}"]"#
    ));
    let tenant = signed(
        "ed.pem",
        r#"{"alg":"EdDSA"}"#,
        &tenant.replace("https://id.example", "tenants"),
    );
    let project = format!("* where project_id is {PROJECT}");
    let lines = ["read   ", "replay ", "emit   "].map(|action| format!("{action} {project}"));
    assert_eq!(allowed(tenant).await, lines);
    let name = auth
        .judge(&ed(&claims("")))
        .await
        .unwrap()
        .principal
        .name()
        .to_string();
    assert_eq!(name, "jwt:https://id.example#ann");
}

#[tokio::test]
async fn somebody_who_came_in_by_a_jwt_is_judged_by_the_file_of_now() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.toml");
    std::fs::write(dir.path().join("secret"), SECRET).unwrap();
    std::fs::write(&path, auth_toml()).unwrap();
    let auth = Auth::open(&path, None).unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let mut changes = auth.changes();
    let mut change = async |text: String| {
        std::fs::write(path.with_extension("new"), text).unwrap();
        std::fs::rename(path.with_extension("new"), &path).unwrap();
        within(changes.changed()).await.unwrap();
    };
    let story = async {
        let token = ed(&claims(r#","role":"tasks","jti":"one""#));
        let admission = auth.admit_token(&token).await.unwrap();
        let allowed = |admission| {
            auth.readmit(admission)
                .map(|again| again.principal.allowed())
        };
        assert_eq!(
            allowed(&admission).unwrap(),
            ["read    task.*", "replay  task.*"]
        );
        change(auth_toml().replace("task.*", "agent.*")).await;
        assert_eq!(
            allowed(&admission).unwrap(),
            ["read    agent.*", "replay  agent.*"]
        );
        assert_eq!(
            auth.admit_token(&token).await.unwrap().principal.allowed(),
            ["read    agent.*", "replay  agent.*"]
        );
        for changed in [
            auth_toml().replace("\"stolen\"", "\"one\""),
            auth_toml().replace("mallory", "ann"),
            auth_toml().replace("[\"todoki\", \"todoki-staging\"]", "\"other\""),
            auth_toml().replace(
                "issuer = \"https://id.example\"",
                "issuer = \"https://new.example\"",
            ),
            auth_toml().replace("ed.pub.pem", "ed-other.pub.pem"),
        ] {
            change(changed).await;
            assert!(auth.readmit(&admission).is_err());
            assert!(auth.admit_token(&token).await.is_err());
            change(auth_toml()).await;
            assert!(auth.readmit(&admission).is_ok());
            assert!(auth.admit_token(&token).await.is_ok());
        }
        stop.cancel();
    };
    tokio::join!(auth.keep(stop.clone()), story);
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
#[tokio::test]
async fn a_file_with_keys_that_are_not_right_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.toml");
    std::fs::write(dir.path().join("short"), "short").unwrap();
    std::fs::write(dir.path().join("oct.jwk"), r#"{"kty":"oct","k":"AAAA"}"#).unwrap();
    let point = "A".repeat(43);
    let private =
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"k","x":"{point}","d":"{point}"}}"#);
    std::fs::write(dir.path().join("private.jwk"), &private).unwrap();
    let set = format!(r#"{{"keys":[{private}]}}"#);
    std::fs::write(dir.path().join("private.json"), set).unwrap();
    let public = |name: &str| key_file(name).display().to_string();
    let verifier = |algorithms: &str, keys: &str| {
        format!("[[jwt]]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = {algorithms}\n{keys}\n")
    };
    let rsa = verifier(
        "[\"RS256\"]",
        &format!("keys = [\"{}\"]", public("rsa.pub.pem")),
    );
    for (text, said) in [
        (verifier("[]", "keys = []"), "at least one"),
        (
            verifier("[\"none\"]", "keys = []"),
            "algorithms has \"none\"",
        ),
        (
            verifier("[\"HS256\", \"RS256\"]", "secret_file = \"short\""),
            "either a secret or public keys",
        ),
        (
            verifier("[\"HS256\"]", "secret_file = \"short\""),
            "short has 5 bytes",
        ),
        (
            verifier("[\"HS256\"]", "secret_env = \"TODOKI_IT_NO_SUCH\""),
            "is not set",
        ),
        (
            verifier("[\"HS256\"]", "keys = [\"short\"]"),
            "takes `secret_file` or `secret_env`",
        ),
        (
            verifier(
                "[\"HS256\"]",
                &format!("secret_file = \"{}\"", public("rsa.pub.pem")),
            ),
            "is no secret",
        ),
        (
            verifier("[\"RS256\"]", "keys = [\"missing.pem\"]"),
            "missing.pem cannot be read",
        ),
        (verifier("[\"RS256\"]", "keys = []"), "1 to 64 keys"),
        (verifier("[\"RS256\"]", ""), "exactly one of them"),
        (
            verifier("[\"RS256\"]", "keys = [\"short\"]"),
            "neither a public key",
        ),
        (verifier("[\"RS256\"]", "keys = [\"oct.jwk\"]"), "symmetric"),
        (
            verifier("[\"EdDSA\"]", "keys = [\"private.jwk\"]"),
            "has a private key",
        ),
        (
            verifier("[\"EdDSA\"]", "jwks = \"private.json\""),
            "has a private key",
        ),
        (
            verifier(
                "[\"RS256\"]",
                &format!("keys = [\"{}\"]", public("rsa.pem")),
            ),
            "is a private key",
        ),
        (
            verifier(
                "[\"RS256\"]",
                &format!("keys = [\"{}\"]", public("rsa-weak.pub.pem")),
            ),
            "less than 2048 bits",
        ),
        (
            verifier(
                "[\"ES256\"]",
                &format!("keys = [\"{}\"]", public("ec-p384.pub.pem")),
            ),
            "P-256",
        ),
        (
            verifier(
                "[\"ES256\"]",
                &format!("keys = [\"{}\"]", public("rsa.pub.pem")),
            ),
            "a key for RS256",
        ),
        (
            verifier("[\"RS256\"]", "jwks = \"http://id.example/keys\""),
            "must begin with https://",
        ),
        (
            verifier("[\"RS256\"]", "jwks = \"missing.json\""),
            "missing.json cannot be read",
        ),
        (format!("{rsa}{rsa}"), "another [[jwt]] too"),
        (rsa.replace("\"i\"", "\"i#j\""), "without a '#'"),
        (rsa.replace("audience", "aud"), "unknown field `aud`"),
        (rsa.replace("\"a\"", "[]"), "audience must name"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let error = Auth::open(&path, None).unwrap_err().to_string();
        assert!(error.contains(said), "{text}: {error}");
        assert!(error.contains(" line "), "{error}");
    }
}

/// Grants of which each is of a kind of its own and on one list of ids.
fn odd_grants(action: &str, lists: [&str; 2]) -> String {
    let grant = |number: u128| {
        let ids = (0..16_u128).filter(|id| (number.wrapping_mul(0x9e37_79b9) >> id) & 1 == 0);
        let ids: Vec<_> = ids
            .map(|id| uuid::Uuid::from_u128(id).to_string())
            .collect();
        let list = lists[usize::from(number.is_multiple_of(2))];
        format!(
            "{{ actions = [\"{action}\"], kinds = [\"k{number}.*\", \"k.*\"], where = {{ {list} = {ids:?} }} }}"
        )
    };
    let grants: Vec<_> = (1..=16).map(grant).collect();
    format!("[roles.{action}]\ngrants = [{}]\n", grants.join(", "))
}

#[tokio::test]
async fn a_token_whose_roles_are_too_tangled_together_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.toml");
    let file = [
        odd_grants("read", ["agent_id", "session_id"]),
        odd_grants("replay", ["task_id", "project_id"]),
        format!(
            "[[jwt]]\nissuer = \"https://id.example\"\naudience = \"todoki\"\nalgorithms = [\"EdDSA\"]\nkeys = [{:?}]\n",
            key_file("ed.pub.pem")
        ),
    ];
    std::fs::write(&path, file.concat()).unwrap();
    let auth = Auth::open(&path, None).unwrap();
    let judge = async |roles: &str| {
        let claims = claims(&format!(r#","role":{roles}"#));
        let token = signing_key("ed.pem").sign(r#"{"alg":"EdDSA"}"#, &claims);
        let judged = auth.judge(&token.unwrap()).await;
        judged.map_err(|fault| fault.to_string())
    };
    assert!(judge(r#""read""#).await.is_ok());
    assert!(judge(r#""replay""#).await.is_ok());
    // It is the same when it is known.
    for _ in 0..2 {
        let fault = judge(r#"["read","replay"]"#).await.unwrap_err();
        assert!(fault.contains("too many combinations"), "{fault}");
    }
}
