//! Globs as firebase.json writes them (minimatch's), made into regular expressions.
//!
//! `*` is anything within a segment, `**` any number of segments, `?` one character, `[a-z]` one of a
//! class, `{a,b}`, `@(a|b)`, `?(a)`, `*(a)` and `+(a)` are alternatives, and a `!` before the whole glob
//! turns it round. A leading slash may be left out, and a path may have one more at its end. Other than in
//! minimatch a last `/**` matches the folder itself too, and names that start with a dot are names like
//! any other: what a router must not show is not a matter of its globs.

use regex::{Regex, RegexBuilder};

use crate::model::RewriteSource;

/// One that is longer was made by a program, and wants to be a `regex`.
const LONGEST: usize = 1000;
const MOST_ALTERNATIVES: usize = 256;
/// Bytes of a compiled expression.
const LARGEST_REGEX: usize = 1 << 20;

/// # Errors
/// Why the text matches nothing, or cannot be decided in one pass over a path.
pub(crate) fn parse(text: &str) -> Result<RewriteSource, String> {
    if let Some(problem) = problem_of_text(text) {
        return Err(problem.to_owned());
    }
    let (negated, glob) = match text.strip_prefix('!') {
        Some(rest) if !rest.starts_with('(') => (true, rest),
        _ => (false, text),
    };
    let glob = match glob.starts_with('/') {
        true => glob.to_owned(),
        false => format!("/{glob}"),
    };
    if !negated && let Some(source) = plain(&glob) {
        return Ok(source);
    }
    let mut alternatives = Vec::new();
    expand(&glob, &mut alternatives)?;
    let translated: Result<Vec<String>, String> =
        alternatives.iter().map(|glob| translate(glob)).collect();
    let regex = compile(&format!(r"\A(?:{})\z", translated?.join("|")))?;
    Ok(RewriteSource::Glob {
        text: text.to_owned(),
        regex,
        negated,
    })
}

/// # Errors
/// What is wrong with the expression, in one line.
pub(crate) fn compile(expression: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(expression)
        .size_limit(LARGEST_REGEX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        }
    })
}

fn problem_of_text(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > LONGEST {
        Some("it is longer than 1000 characters")
    } else if !text.bytes().all(|b| b.is_ascii_graphic()) {
        Some("spaces and letters beyond ASCII arrive percent-encoded, so write them so")
    } else if text.contains("//") {
        Some("two slashes in a row match nothing")
    } else if text.contains('#') {
        Some("the fragment is no part of the path")
    } else {
        None
    }
}

/// The two forms that everything is known of: a path, and a folder.
fn plain(glob: &str) -> Option<RewriteSource> {
    let folder = glob.strip_suffix("/**");
    let path = folder.unwrap_or(glob);
    let is_group = |pair: &[u8]| matches!(pair, [b'+' | b'@' | b'!', b'(']);
    let special =
        path.contains(['*', '?', '[', '{', '}', '\\']) || path.as_bytes().windows(2).any(is_group);
    (!special).then(|| match folder {
        Some(folder) => RewriteSource::Below(folder.to_owned()),
        None => RewriteSource::Path(path.to_owned()),
    })
}

/// The globs that `{a,b}` stands for: the first group's, each with what follows expanded.
fn expand(glob: &str, alternatives: &mut Vec<String>) -> Result<(), String> {
    let Some(open) = find(glob, 0, |b| matches!(b, b'{' | b'}')) else {
        if alternatives.len() == MOST_ALTERNATIVES {
            return Err(format!("it has more than {MOST_ALTERNATIVES} alternatives"));
        }
        alternatives.push(glob.to_owned());
        return Ok(());
    };
    if glob.as_bytes()[open] == b'}' {
        return Err("a `}` has no `{`".to_owned());
    }
    let mut depth = 0_usize;
    let mut bounds = vec![open];
    let mut at = open;
    while let Some(found) = find(glob, at, |b| matches!(b, b'{' | b'}' | b',')) {
        match glob.as_bytes()[found] {
            b'{' => depth += 1,
            b',' if depth == 1 => bounds.push(found),
            b'}' => depth -= 1,
            _ => {}
        }
        at = found + 1;
        if depth == 0 {
            bounds.push(found);
            break;
        }
    }
    if depth > 0 {
        return Err("a `{` is not closed".to_owned());
    }
    if let [open, close] = bounds[..] {
        let inner = &glob[open + 1..close];
        return Err(format!(
            "`{{{inner}}}` has no alternatives: write `{{a,b}}`, or `*` for any segment"
        ));
    }
    let (before, after) = (&glob[..open], &glob[at..]);
    bounds.windows(2).try_for_each(|pair| {
        let alternative = &glob[pair[0] + 1..pair[1]];
        expand(&format!("{before}{alternative}{after}"), alternatives)
    })
}

/// The first byte from `from` on that is wanted and not escaped.
fn find(glob: &str, from: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let mut escaped = false;
    glob.bytes()
        .enumerate()
        .skip(from)
        .find_map(|(at, byte)| match escaped {
            true => {
                escaped = false;
                None
            }
            false => {
                escaped = byte == b'\\';
                wanted(byte).then_some(at)
            }
        })
}

/// A glob without braces, as an expression for the whole path.
fn translate(glob: &str) -> Result<String, String> {
    let mut expression = String::new();
    let segments: Vec<&str> = glob.split('/').skip(1).collect();
    let (last, before) = segments.split_last().ok_or("it is empty")?;
    // Braces can leave an empty segment behind, as in `/a/{,b}/c`.
    for segment in before.iter().filter(|segment| !segment.is_empty()) {
        match *segment {
            "**" => expression.push_str("(?:/[^/]+)*"),
            segment => {
                expression.push('/');
                expression.push_str(&translate_segment(segment)?);
            }
        }
    }
    match *last {
        "**" => expression.push_str("(?:/.*)?"),
        segment => {
            expression.push('/');
            expression.push_str(&translate_segment(segment)?);
        }
    }
    Ok(expression)
}

fn translate_segment(segment: &str) -> Result<String, String> {
    if !segment.is_empty() && segment.bytes().all(|b| b == b'*') {
        return Ok("[^/]+".to_owned());
    }
    let mut expression = String::new();
    let mut rest = segment;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        let is_group = after.starts_with('(');
        rest = match first {
            '!' if is_group => {
                return Err(
                    "`!(…)` cannot be matched: write `!` before the whole source, or put what it \
                     leaves out into a rewrite of its own, before this one"
                        .to_owned(),
                );
            }
            '*' | '?' | '+' | '@' if is_group => translate_group(first, after, &mut expression)?,
            '*' => {
                expression.push_str("[^/]*");
                after
            }
            '?' => {
                expression.push_str("[^/]");
                after
            }
            '[' => translate_class(after, &mut expression)?,
            '\\' => {
                let mut chars = after.chars();
                let escaped = chars.next().ok_or("a `\\` stands before nothing")?;
                push_literal(escaped, &mut expression);
                chars.as_str()
            }
            literal => {
                push_literal(literal, &mut expression);
                after
            }
        };
    }
    Ok(expression)
}

/// `(a|b)` behind its quantifier; answers what follows.
fn translate_group<'g>(
    quantifier: char,
    group: &'g str,
    expression: &mut String,
) -> Result<&'g str, String> {
    let mut depth = 0_usize;
    let mut bounds = vec![0];
    let mut at = 0;
    while let Some(found) = find(group, at, |b| matches!(b, b'(' | b')' | b'|')) {
        match group.as_bytes()[found] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ if depth == 1 => bounds.push(found),
            _ => {}
        }
        at = found + 1;
        if depth == 0 {
            bounds.push(found);
            break;
        }
    }
    if depth > 0 {
        return Err("a `(` is not closed within its segment".to_owned());
    }
    let alternatives: Result<Vec<String>, String> = bounds
        .windows(2)
        .map(|pair| translate_segment(&group[pair[0] + 1..pair[1]]))
        .collect();
    expression.push_str(&format!("(?:{})", alternatives?.join("|")));
    if quantifier != '@' {
        expression.push(quantifier);
    }
    Ok(&group[at..])
}

/// What follows a `[`; answers what follows its `]`.
fn translate_class<'g>(class: &'g str, expression: &mut String) -> Result<&'g str, String> {
    let inverted = class.starts_with(['!', '^']);
    let class = &class[usize::from(inverted)..];
    // A `]` at the start is one of the characters.
    let end = find(class, 1.min(class.len()), |b| b == b']').ok_or("a `[` is not closed")?;
    let inner = &class[..end];
    if inner.contains("[:") {
        return Err("`[:…:]` is not known: write the characters".to_owned());
    }
    expression.push_str(if inverted { "[^/" } else { "[[^/]&&[" });
    let mut chars = inner.chars().peekable();
    let next = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| match chars.next() {
        Some('\\') => chars.next(),
        other => other,
    };
    while let Some(first) = next(&mut chars) {
        push_literal(first, expression);
        let mut ahead = chars.clone();
        if ahead.next() == Some('-') && ahead.peek().is_some() {
            chars.next();
            if let Some(last) = next(&mut chars) {
                expression.push('-');
                push_literal(last, expression);
            }
        }
    }
    expression.push_str(if inverted { "]" } else { "]]" });
    Ok(&class[end + 1..])
}

fn push_literal(literal: char, expression: &mut String) {
    match literal.is_ascii_alphanumeric() {
        true => expression.push(literal),
        false => expression.push_str(&format!(r"\x{{{:x}}}", u32::from(literal))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_what_firebase_hosting_matches() {
        for (glob, matching, others) in [
            (
                "/api/chat",
                &["/api/chat", "/api/chat/"][..],
                &["/api/chats", "/api", "/api/chat/x"][..],
            ),
            ("api/chat", &["/api/chat"], &["/x/api/chat"]),
            ("/api/", &["/api/"], &["/api"]),
            ("/api/**", &["/api", "/api/", "/api/a/b"], &["/apis", "/"]),
            ("**", &["/", "/a", "/a/b.c"], &[]),
            ("/**", &["/", "/a/b"], &[]),
            ("/*", &["/a", "/.env"], &["/", "/a/b"]),
            ("/a/*/c", &["/a/b/c"], &["/a/c", "/a/b/b/c", "/a//c"]),
            ("/a/**/c", &["/a/c", "/a/b/c", "/a/b/b/c"], &["/a/b", "/ac"]),
            (
                "**/*.js",
                &["/a.js", "/b/c/a.js", "/.js"],
                &["/a.jsx", "/a.js/b"],
            ),
            (
                "**/*.@(jpg|png)",
                &["/a.jpg", "/b/a.png"],
                &["/a.gif", "/a.jpgpng"],
            ),
            ("/a?c", &["/abc"], &["/ac", "/a/c", "/abbc"]),
            ("/{a,b}/x", &["/a/x", "/b/x"], &["/c/x", "/a,b/x"]),
            ("/{a,b/c}", &["/a", "/b/c"], &["/b"]),
            ("/a{,/b}", &["/a", "/a/b"], &["/b"]),
            ("/{a,b{1,2}}", &["/a", "/b1", "/b2"], &["/b", "/b12"]),
            ("/v[0-9]/x", &["/v1/x"], &["/va/x", "/v10/x"]),
            ("/v[!0-9]", &["/va"], &["/v1", "/v/"]),
            ("/[]a-]", &["/]", "/a", "/-"], &["/b"]),
            ("/a[+-9]b", &["/a+b", "/a1b"], &["/a/b"]),
            ("/+(a|b)", &["/a", "/abba"], &["/", "/ac"]),
            ("/x*(a|b)", &["/x", "/xab"], &["/xc"]),
            ("/x?(a|b)y", &["/xy", "/xay"], &["/xaby"]),
            ("/@(a|b@(c|d))", &["/a", "/bc", "/bd"], &["/b"]),
            ("/a.b+c", &["/a.b+c"], &["/aXb+c", "/a.bbc"]),
            ("/@user", &["/@user"], &["/user"]),
            (r"/a\*b", &["/a*b"], &["/axb"]),
            (
                "!/@(js|css)/**",
                &["/", "/a", "/jsx"],
                &["/js", "/js/a", "/css/a/b"],
            ),
            ("!/a", &["/b", "/a/b"], &["/a", "/a/"]),
        ] {
            let source = parse(glob).unwrap_or_else(|problem| panic!("{glob}: {problem}"));
            for path in matching {
                assert!(source.matches(path), "{glob} {path}");
            }
            for path in others {
                assert!(!source.matches(path), "{glob} {path}");
            }
        }
    }

    #[test]
    fn what_cannot_be_matched_is_refused_with_a_reason() {
        let long = format!("/{}", "a".repeat(1000));
        let many = "{a,b}".repeat(9);
        let huge = format!("/{}", "+(".repeat(40) + "a" + &")".repeat(40));
        for (glob, reason) in [
            ("", "it is empty"),
            (&*long, "longer than 1000"),
            ("/ä", "percent-encoded"),
            ("/a b", "percent-encoded"),
            ("/a//b", "two slashes"),
            ("/a#b", "the fragment"),
            ("/api/{x}", "`{x}` has no alternatives"),
            ("/{1..3}", "`{1..3}` has no alternatives"),
            ("/{a,b", "a `{` is not closed"),
            ("/a}", "a `}` has no `{`"),
            (&*many, "more than 256 alternatives"),
            ("/!(a|b)/c", "write `!` before the whole source"),
            ("!(a)", "write `!` before the whole source"),
            ("/@(a|b", "a `(` is not closed within its segment"),
            ("/@(a/b)", "a `(` is not closed within its segment"),
            ("/[a", "a `[` is not closed"),
            ("/[", "a `[` is not closed"),
            ("/[[:alpha:]]", "write the characters"),
            ("/[z-a]", "invalid"),
            (r"/a\", "stands before nothing"),
        ] {
            let problem = parse(glob).map(|source| source.to_string()).unwrap_err();
            assert!(problem.contains(reason), "{glob}: {problem}");
        }
        assert!(parse(&huge).is_ok_and(|source| source.matches("/aaa")));
    }

    #[test]
    fn plain_forms_are_told_apart() {
        let shown = |glob: &str| match parse(glob).unwrap() {
            RewriteSource::Path(path) => format!("path {path}"),
            RewriteSource::Below(folder) => format!("below {folder}"),
            RewriteSource::Glob { text, .. } => format!("glob {text}"),
            RewriteSource::Regex(regex) => format!("regex {regex}"),
        };
        for (glob, form) in [
            ("/a(b)", "path /a(b)"),
            ("a", "path /a"),
            ("a/**", "below /a"),
            ("**", "below "),
            ("/**", "below "),
            ("/**/**", "glob /**/**"),
            ("/a**", "glob /a**"),
            ("!/a", "glob !/a"),
        ] {
            assert_eq!(shown(glob), form, "{glob}");
        }
    }
}
