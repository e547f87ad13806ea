//! One thing that is wrong with a manifest, and the list that they are gathered in.

use std::fmt;
use std::ops::Range;

/// Stable: documentation, searches and editors refer to it. A code is never given a second meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    UnknownKey,
    EntryWithoutFile,
    FileWithoutEntry,
    TriggerCount,
    Clash,
    NeverFires,
    UnknownName,
    SecretLiteral,
    Origin,
    UnitOrRange,
    AboveDrain,
    KeyOfOtherTrigger,
    OpenDoor,
    ReservedName,
    Syntax,
    MissingKey,
    WrongType,
    FunctionName,
    Pattern,
    Version,
    Format,
    Duplicate,
    NoHandle,
    NoOwner,
    Exclusive,
    NoHosting,
}

impl Code {
    pub const ALL: [Self; 26] = [
        Self::UnknownKey,
        Self::EntryWithoutFile,
        Self::FileWithoutEntry,
        Self::TriggerCount,
        Self::Clash,
        Self::NeverFires,
        Self::UnknownName,
        Self::SecretLiteral,
        Self::Origin,
        Self::UnitOrRange,
        Self::AboveDrain,
        Self::KeyOfOtherTrigger,
        Self::OpenDoor,
        Self::ReservedName,
        Self::Syntax,
        Self::MissingKey,
        Self::WrongType,
        Self::FunctionName,
        Self::Pattern,
        Self::Version,
        Self::Format,
        Self::Duplicate,
        Self::NoHandle,
        Self::NoOwner,
        Self::Exclusive,
        Self::NoHosting,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKey => "E001",
            Self::EntryWithoutFile => "E002",
            Self::FileWithoutEntry => "E003",
            Self::TriggerCount => "E004",
            Self::Clash => "E005",
            Self::NeverFires => "E006",
            Self::UnknownName => "E007",
            Self::SecretLiteral => "E009",
            Self::Origin => "E010",
            Self::UnitOrRange => "E012",
            Self::AboveDrain => "E014",
            Self::KeyOfOtherTrigger => "E016",
            Self::OpenDoor => "E018",
            Self::ReservedName => "E019",
            Self::Syntax => "E021",
            Self::MissingKey => "E022",
            Self::WrongType => "E023",
            Self::FunctionName => "E024",
            Self::Pattern => "E025",
            Self::Version => "E026",
            Self::Format => "E027",
            Self::Duplicate => "E028",
            Self::NoHandle => "E029",
            Self::NoOwner => "E030",
            Self::Exclusive => "E031",
            Self::NoHosting => "E032",
        }
    }

    /// Warnings are for what works but deserves a second look.
    pub const fn severity(self) -> Severity {
        match self {
            Self::AboveDrain | Self::OpenDoor => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place between two characters of the text. Both count from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

#[derive(Debug, Clone)]
pub struct Fault {
    pub code: Code,
    pub severity: Severity,
    /// Bytes of the text.
    pub span: Range<usize>,
    pub start: Place,
    pub end: Place,
    /// What is wrong and what is allowed. Never holds the value of a secret.
    pub message: String,
    /// The fix.
    pub help: Option<String>,
    /// The other side of a clash.
    pub related: Vec<Related>,
}

#[derive(Debug, Clone)]
pub struct Related {
    pub span: Range<usize>,
    pub start: Place,
    pub label: String,
}

/// The faults of one text, while it is read.
pub(crate) struct Faults<'t> {
    text: &'t str,
    /// The first byte of every line.
    lines: Vec<usize>,
    found: Vec<Fault>,
}

impl<'t> Faults<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            lines: std::iter::once(0).chain(after_breaks).collect(),
            found: Vec::new(),
        }
    }

    /// Adds a fault; the answer takes its help line and the places it relates to.
    pub(crate) fn add(
        &mut self,
        code: Code,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Draft<'_, 't> {
        self.found.push(Fault {
            code,
            severity: code.severity(),
            start: self.place(span.start),
            end: self.place(span.end),
            span,
            message: message.into(),
            help: None,
            related: Vec::new(),
        });
        Draft(self)
    }

    pub(crate) fn any_error(&self) -> bool {
        let mut found = self.found.iter();
        found.any(|fault| fault.severity == Severity::Error)
    }

    pub(crate) fn place(&self, at: usize) -> Place {
        let at = self.text.floor_char_boundary(at);
        let line = self.lines.partition_point(|start| *start <= at);
        let before = &self.text[self.lines[line - 1]..at];
        Place {
            line,
            column: before.chars().count() + 1,
        }
    }

    /// In the order of the text.
    pub(crate) fn into_sorted(mut self) -> Vec<Fault> {
        self.found
            .sort_by_key(|fault| (fault.span.start, fault.code));
        self.found
    }
}

/// The fault that was added last.
pub(crate) struct Draft<'f, 't>(&'f mut Faults<'t>);

impl Draft<'_, '_> {
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        if let Some(fault) = self.0.found.last_mut() {
            fault.help = Some(help.into());
        }
        self
    }

    pub(crate) fn related(self, span: Range<usize>, label: impl Into<String>) -> Self {
        let start = self.0.place(span.start);
        if let Some(fault) = self.0.found.last_mut() {
            let label = label.into();
            fault.related.push(Related { span, start, label });
        }
        self
    }
}
