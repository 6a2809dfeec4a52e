//! The files of the web app: their forms, what they are, and what names their content.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

use super::coding::Coding;

/// The page as a file.
pub(super) const INDEX: &str = "/index.html";

/// Of a file's digest, enough that no two forms share it by chance.
const ETAG_BYTES: usize = 16;

/// A file of the app, as the build has it.
#[derive(Clone, Copy)]
pub struct File {
    /// From the root of the server: `/assets/index-4f2a.js`.
    pub path: &'static str,
    /// Its bytes.
    pub plain: &'static [u8],
    /// The same, compressed for good.
    pub brotli: Option<&'static [u8]>,
    /// The same, for clients that read no Brotli.
    pub gzip: Option<&'static [u8]>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({}, {} bytes)", self.path, self.plain.len())
    }
}

/// What `build.rs` found in `web/dist`.
static EMBEDDED: LazyLock<Assets> =
    LazyLock::new(|| Assets::new(&include!(concat!(env!("OUT_DIR"), "/files.rs"))));

/// The files that a server answers with; cloning shares them.
#[derive(Clone, Debug)]
pub struct Assets(Arc<[Asset]>);

impl Default for Assets {
    /// Those that were built into the program.
    fn default() -> Self {
        EMBEDDED.clone()
    }
}

impl Assets {
    /// These files.
    pub fn new(files: &[File]) -> Self {
        Self(files.iter().map(Asset::new).collect())
    }

    /// Whether there is anything to look at.
    pub fn has_page(&self) -> bool {
        self.get(INDEX).is_some()
    }

    /// Where they are answered.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|asset| asset.path)
    }

    /// The file at this path. There are some dozens of them, so a list is all they need.
    pub(super) fn get(&self, path: &str) -> Option<&Asset> {
        self.0.iter().find(|asset| asset.path == path)
    }
}

/// A file, ready to be sent.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) plain: Form,
    brotli: Option<Form>,
    gzip: Option<Form>,
}

impl Asset {
    fn new(file: &File) -> Self {
        Self {
            path: file.path,
            content_type: content_type(file.path),
            plain: Form::new(file.plain),
            brotli: file.brotli.map(Form::new),
            gzip: file.gzip.map(Form::new),
        }
    }

    pub(super) fn form(&self, coding: Coding) -> Option<&Form> {
        match coding {
            Coding::Brotli => self.brotli.as_ref(),
            Coding::Gzip => self.gzip.as_ref(),
            Coding::Identity => Some(&self.plain),
        }
    }
}

/// One coding of a file.
pub(super) struct Form {
    pub(super) bytes: &'static [u8],
    /// Of these very bytes, so that a strong tag names one coding and no other (RFC 9110 §8.8.3.3).
    pub(super) etag: HeaderValue,
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Form({:?}, {} bytes)", self.etag, self.bytes.len())
    }
}

impl Form {
    fn new(bytes: &'static [u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let tag = URL_SAFE_NO_PAD.encode(&digest[..ETAG_BYTES]);
        let etag = HeaderValue::from_str(&format!("\"{tag}\""));
        Self {
            bytes,
            etag: etag.expect("base64url is visible ASCII"),
        }
    }
}

/// By the end of its name. What is unknown is bytes, which no browser takes for a script.
fn content_type(path: &str) -> &'static str {
    let extension = Path::new(path).extension().and_then(|end| end.to_str());
    match extension.unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
