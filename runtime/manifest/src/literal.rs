//! Secrets that were written into the manifest, where every reader of the repository sees them.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::fault::{Code, Faults};

/// How the tokens of well-known issuers begin.
const PREFIXES: [&str; 17] = [
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "whsec_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "GOCSPX-",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "npg_",
];

/// Parts of a key that says its value is one.
const TELLING_KEYS: [&str; 7] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
];

/// A value as a message may show it: quoted, shortened, and not at all when it could be a secret.
pub(crate) fn shown(value: &str) -> String {
    const LONGEST: usize = 60;
    if looks_secret(value) {
        return "`…`".to_owned();
    }
    let mut text: String = value.escape_debug().take(LONGEST).collect();
    if value.chars().count() > LONGEST {
        text.push('…');
    }
    format!("`{text}`")
}

/// Reports every literal that looks like a secret.
pub(crate) fn check(table: &DeTable<'_>, faults: &mut Faults<'_>) {
    for (key, value) in table {
        check_value(key.get_ref(), value, faults);
    }
}

fn check_value(key: &str, value: &toml::Spanned<DeValue<'_>>, faults: &mut Faults<'_>) {
    match value.get_ref() {
        DeValue::Table(table) => check(table, faults),
        DeValue::Array(array) => {
            for value in array.iter() {
                check_value(key, value, faults);
            }
        }
        DeValue::String(text) if looks_secret(text) || (tells(key) && !text.is_empty()) => {
            let key = crate::literal::shown(key);
            let message = format!("the value of {key} looks like a secret");
            faults.add(Code::SecretLiteral, value.span(), message).help(
                "put it into the environment and only its name here, `secrets = [\"NAME\"]`; \
                     revoke it if this file was ever shared",
            );
        }
        _ => {}
    }
}

/// As [`check`], word by word, for a text that is not TOML: its report shows lines of it too.
pub(crate) fn check_text(text: &str, faults: &mut Faults<'_>) {
    if let Some(start) = text.find("-----BEGIN") {
        add(start..text.len(), "this looks like a private key", faults);
    }
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let value = line.split_once('=').filter(|(key, _)| tells(key.trim()));
        if let Some((key, value)) = value {
            let start = at + key.len() + 1;
            let span = start..start + value.trim_end().len();
            add(span, "this looks like a secret", faults);
        } else {
            let mut start = at;
            for word in line.split_inclusive(is_between_words) {
                let bare = word.trim_end_matches(is_between_words);
                if is_secret_word(bare) {
                    add(
                        start..start + bare.len(),
                        "this looks like a secret",
                        faults,
                    );
                }
                start += word.len();
            }
        }
        at += line.len();
    }
}

fn add(span: Range<usize>, message: impl Into<String>, faults: &mut Faults<'_>) {
    faults.add(Code::SecretLiteral, span, message).help(
        "put it into the environment and only its name here, `secrets = [\"NAME\"]`; \
         revoke it if this file was ever shared",
    );
}

/// Whether a key names one secret. `secrets` itself holds names.
fn tells(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key != "secrets" && TELLING_KEYS.iter().any(|part| key.contains(part))
}

fn looks_secret(value: &str) -> bool {
    value.contains("-----BEGIN") || value.split(is_between_words).any(is_secret_word)
}

fn is_between_words(character: char) -> bool {
    character.is_whitespace() || matches!(character, '"' | '\'' | '=' | ',' | ';')
}

fn is_secret_word(word: &str) -> bool {
    is_issued(word) || is_url_with_password(word) || is_json_web_token(word) || is_random(word)
}

fn is_issued(word: &str) -> bool {
    word.len() >= 16
        && word.bytes().any(|b| b.is_ascii_digit())
        && PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

/// `scheme://user:password@host`, unless the password is a `$VARIABLE`.
fn is_url_with_password(word: &str) -> bool {
    let Some((_, rest)) = word.split_once("://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    authority
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
        .is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$'))
}

fn is_json_web_token(word: &str) -> bool {
    word.starts_with("eyJ") && word.len() > 20 && word.matches('.').count() >= 1
}

/// Long, and mixed as words are not.
fn is_random(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.bytes().any(|b| kind(&b));
    word.len() >= 32
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'_' | b'-'))
        && has(u8::is_ascii_digit)
        && (has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
            || word.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_from_ordinary_values() {
        for (value, secret) in [
            ("sk-proj-0123456789abcdef", true),
            ("AKIAIOSFODNN7EXAMPLE", true),
            ("postgresql://owner:npg_1@ep-x.neon.tech/db", true),
            ("postgresql://owner:$PASSWORD@ep-x.neon.tech/db", false),
            ("https://holograms.media", false),
            ("-----BEGIN PRIVATE KEY-----\nMII", true),
            ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1In0.c2ln", true),
            ("3c6e0b8a9c15224a8228b9a98ca1531d", true),
            ("Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4MTIz", true),
            ("/api/v1/chunks/download_chunk/{uid}/{filename}", false),
            ("holograms-media.firebasestorage.app", false),
            ("a_function_name_that_is_quite_long_indeed_2", false),
            ("sk-short", false),
            (
                "curl -H \"Authorization: Bearer $TOKEN\" $BASE/auth_sync",
                false,
            ),
            (
                "curl -H \"Authorization: Bearer sk-0123456789abcdef\"",
                true,
            ),
            ("NEON_DATABASE_URL?", false),
        ] {
            assert_eq!(looks_secret(value), secret, "{value}");
        }
    }

    #[test]
    fn what_is_shown_is_short_and_never_a_secret() {
        assert_eq!(shown("chunks"), "`chunks`");
        assert_eq!(shown("AKIAIOSFODNN7EXAMPLE"), "`…`");
        assert_eq!(shown("a\nb"), "`a\\nb`");
        assert_eq!(shown(&"é ".repeat(40)).chars().count(), 63);
    }
}
