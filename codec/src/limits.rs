//! Every bound of the wire, each with its unit and the reason for its value.
//!
//! Sizes are bytes unless the name says otherwise. A refusal names the limit and the value that broke it.

/// Greatest cursor, 2^53 − 1: the greatest integer that JSON readers with IEEE doubles (browsers) keep exact.
pub const CURSOR_MAX: i64 = (1 << 53) - 1;

/// Longest kind or pattern: long enough for five descriptive segments, short enough to index and to read.
pub const KIND_BYTES: usize = 128;

/// Patterns in one filter: more than the built-in vocabulary has families, few enough to match in a loop.
pub const PATTERNS: usize = 64;

/// Grants of one principal: more than a role has lines, and few enough that each subscription is narrowed in a moment.
pub const GRANTS: usize = 64;

/// Ids in one list of a grant: the projects of a large team. Who may see more than that may see all, or is several
/// principals; every filter that is narrowed to the list has a copy of it, of 4 KiB at this length.
pub const GRANT_IDS: usize = 256;

/// Largest emit body: one group of a thousand ordinary events; larger loads arrive as several requests.
pub const BODY_BYTES: usize = 1 << 20;

/// Drafts in one emit request, all stored or none: bounds the work that one request can put into a group commit.
pub const BATCH_DRAFTS: usize = 1000;

/// Largest draft: an event is news about something; a payload beyond this belongs in an artifact store.
pub const DRAFT_BYTES: usize = 256 << 10;

/// Deepest nesting of a draft, the draft itself being level 1: bounds every recursive reader behind us.
pub const JSON_DEPTH: usize = 64;

/// Longest idempotency key: room for two UUIDs or a URL-safe digest.
pub const DRAFT_ID_BYTES: usize = 128;

/// Largest frame that a client may send: clients send commands, and the largest command is a filter.
pub const INBOUND_FRAME_BYTES: usize = 64 << 10;

/// Largest message that a client may send, summed over its fragments.
pub const INBOUND_MESSAGE_BYTES: usize = 1 << 20;

/// Fragments in one message: a message of the largest size in small writes, but no endless run of empty ones.
pub const MESSAGE_FRAGMENTS: usize = 1024;

/// Longest `ref` of a command: a UUID or a counter with a prefix.
pub const REFERENCE_BYTES: usize = 64;

/// Longest token of an `auth` command: more than any issuer signs, and no more than a request's head has room for.
pub const TOKEN_BYTES: usize = 8 << 10;

/// Events in one page: a screenful for people, and small beside the page's byte bound for machines.
pub const PAGE_EVENTS: usize = 1000;

/// Events in a page when the caller does not say.
pub const PAGE_EVENTS_DEFAULT: usize = 100;

/// Bytes of event JSON after which a page ends: one event over it still fits, so a page always advances.
pub const PAGE_BYTES: usize = 256 << 10;

/// Windows of one histogram: more than a screen has columns to draw them in.
pub const HISTOGRAM_WINDOWS: usize = 500;

/// Windows of a histogram when the caller does not say: half a minute each of an hour.
pub const HISTOGRAM_WINDOWS_DEFAULT: usize = 120;

/// Families that a histogram tells apart: the built-in vocabulary has seven, and more colours than this nobody can tell
/// apart either. The least frequent beyond are summed.
pub const HISTOGRAM_FAMILIES: usize = 32;

/// Values of one facet: more than anyone reads in a list of choices.
pub const FACET_VALUES: usize = 50;

/// Values of one facet when the caller does not say.
pub const FACET_VALUES_DEFAULT: usize = 20;
