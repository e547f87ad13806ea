//! Faults for people, in the manner of rustc, and for editors, as JSON.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

use crate::fault::{Code, Fault, Severity};

/// Every fault with its line, and a last line that counts them. `file` is the name to show; `text` is
/// what was parsed. Values that look like secrets are blotted out.
pub fn render(faults: &[Fault], file: &str, text: &str) -> String {
    let text = blotted(faults, text);
    let renderer = Renderer::plain().decor_style(DecorStyle::Ascii);
    let mut report = String::new();
    for fault in faults {
        report.push_str(&renderer.render(&[group(fault, file, &text)]));
        report.push_str("\n\n");
    }
    report.push_str(&format!("{file}: {}", summary(faults)));
    report
}

/// An array of `{code, severity, file, line, column, end_line, end_column, message, help}`; lines and
/// columns count from 1, columns in characters.
pub fn to_json(faults: &[Fault], file: &str) -> String {
    let entries: Vec<Entry<'_>> = faults.iter().map(|fault| Entry::new(fault, file)).collect();
    // Strings and numbers alone: there is nothing in it that could fail.
    serde_json::to_string_pretty(&entries).unwrap_or_default()
}

#[derive(Serialize)]
struct Entry<'f> {
    code: &'static str,
    severity: &'static str,
    file: &'f str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    message: &'f str,
    help: Option<&'f str>,
}

impl<'f> Entry<'f> {
    fn new(fault: &'f Fault, file: &'f str) -> Self {
        Self {
            code: fault.code.as_str(),
            severity: fault.severity.as_str(),
            file,
            line: fault.start.line,
            column: fault.start.column,
            end_line: fault.end.line,
            end_column: fault.end.column,
            message: &fault.message,
            help: fault.help.as_deref(),
        }
    }
}

fn group<'f>(fault: &'f Fault, file: &'f str, text: &'f str) -> Group<'f> {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let related = fault.related.iter().map(|related| {
        AnnotationKind::Context
            .span(related.span.clone())
            .label(related.label.as_str())
    });
    let snippet = Snippet::source(text)
        .path(file)
        .annotation(AnnotationKind::Primary.span(fault.span.clone()))
        .annotations(related);
    let group = level
        .primary_title(fault.message.as_str())
        .id(fault.code.as_str())
        .element(snippet);
    match &fault.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The text with every secret in it hidden; each byte keeps its place.
fn blotted(faults: &[Fault], text: &str) -> String {
    let secrets: Vec<_> = faults
        .iter()
        .filter(|fault| fault.code == Code::SecretLiteral)
        .map(|fault| fault.span.clone())
        .collect();
    let mut blotted = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let hidden = secrets.iter().any(|span| span.contains(&at));
        match character {
            '\n' | '\r' | '"' | '\'' => blotted.push(character),
            _ if hidden => blotted.extend(std::iter::repeat_n('*', character.len_utf8())),
            _ => blotted.push(character),
        }
    }
    blotted
}

/// "3 errors, 1 warning"
fn summary(faults: &[Fault]) -> String {
    let counted = |severity: Severity| {
        let count = faults
            .iter()
            .filter(|fault| fault.severity == severity)
            .count();
        let plural = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {}{plural}", severity.as_str()))
    };
    let parts: Vec<String> = [Severity::Error, Severity::Warning]
        .into_iter()
        .filter_map(counted)
        .collect();
    match parts.is_empty() {
        true => "no faults".to_owned(),
        false => parts.join(", "),
    }
}
