//! Who may come in: `auth.toml`, its tokens and what becomes of them when it changes.

mod static_tokens;
