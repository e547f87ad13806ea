//! The text of functions.rs.

use std::fmt::Write as _;
use std::path::Path;

use super::package::Package;
use crate::read::TriggerKind;

pub(super) const HTTP_SIGNATURE: &str =
    "pub async fn handle(context: Context, request: Request) -> Result<Response>";
/// Of a callable, and of `http` when the function only wants JSON.
pub(super) const JSON_SIGNATURE: &str =
    "pub async fn handle(context: Context, input: In) -> Result<Out>";
pub(super) const STORAGE_SIGNATURE: &str =
    "pub async fn handle(context: Context, event: CloudEvent<StorageObjectData>) -> Result<()>";
pub(super) const EVENT_SIGNATURE: &str =
    "pub async fn handle(context: Context, event: CloudEvent<T>) -> Result<()>";

/// A trait that nothing implements, under a name that no function can have. When a function's trait has
/// one implementation, the compiler compares the signatures and words the difference itself, without
/// the entry of the manifest; a second one, which is impossible, makes it say what the trait says.
const NOTHING: &str = "__Nothing";

/// The file, gathered part by part.
#[derive(Default)]
pub(super) struct FunctionsFile {
    errors: String,
    modules: String,
    signatures: String,
    registered: String,
    manifest: String,
    migrations: String,
}

/// A function to register, and where to send whoever gave it the wrong signature.
pub(super) struct Registered<'f> {
    pub(super) name: &'f str,
    pub(super) trigger: TriggerKind,
    /// `manifest.toml:52`
    pub(super) place: String,
    /// `functions/hello_world.rs`
    pub(super) file: String,
}

impl FunctionsFile {
    pub(super) fn new(package: &Package) -> Self {
        let mut migrations = String::new();
        for dialect in ["postgres", "sqlite"] {
            let files = package.migrations(dialect).into_iter();
            let files: String = files
                .map(|(name, file)| format!("({name:?}, {}), ", include(&file)))
                .collect();
            let _ = writeln!(migrations, "            {dialect}: &[{files}],");
        }
        Self {
            manifest: include(&package.manifest),
            migrations,
            ..Self::default()
        }
    }

    /// A compile error of several lines.
    pub(super) fn error(&mut self, text: &str) {
        let _ = writeln!(self.errors, "compile_error!({text:?});\n");
    }

    pub(super) fn module(&mut self, name: &str, file: &Path) {
        // Items are `pub` because the signature of `handle` says so, not because another package names
        // them; and a name may be in camel case, as the URLs of old functions are.
        let camel = name.bytes().any(|b| b.is_ascii_uppercase());
        let allowed = if camel {
            "unreachable_pub, non_snake_case"
        } else {
            "unreachable_pub"
        };
        let _ = writeln!(
            self.modules,
            "#[allow({allowed})]\n#[path = {file:?}]\npub mod {name};"
        );
    }

    /// The runtime's own trait would do; one for each function lets the compiler say which entry of
    /// the manifest asks for which signature.
    pub(super) fn register(&mut self, function: &Registered<'_>) {
        let Registered {
            name,
            trigger,
            place,
            file,
        } = function;
        let Wanted {
            parameters,
            capability,
            shape,
            signatures,
        } = wanted(*trigger);
        let message = braces_doubled(&format!(
            "{place}: [functions.{name}] has the trigger `{}`, but `handle` in {file} has another signature",
            trigger.key()
        ));
        let notes: String = signatures
            .iter()
            .map(|(verb, signature)| format!("{verb} `{}`", braces_doubled(signature)))
            .chain(std::iter::once(
                "and hold nothing across an `.await` that is not `Send`, such as an `Rc` or a lock of std".to_owned(),
            ))
            .map(|note| format!("        note = {note:?},\n"))
            .collect();
        let _ = writeln!(
            self.signatures,
            "    #[diagnostic::on_unimplemented(\n\
             \x20       message = {message:?},\n\
             \x20       label = \"this has another signature\",\n\
             {notes}\
             \x20   )]\n\
             \x20   trait {name}<Shape> {{\n\
             \x20       fn function(self) -> ::runtime::Function;\n\
             \x20   }}\n\
             \x20   #[diagnostic::do_not_recommend]\n\
             \x20   impl<{parameters}F: ::runtime::{capability}> {name}<({shape},)> for F {{\n\
             \x20       fn function(self) -> ::runtime::Function {{\n\
             \x20           self.into_function()\n\
             \x20       }}\n\
             \x20   }}\n\
             \x20   #[diagnostic::do_not_recommend]\n\
             \x20   impl<F: {NOTHING}> {name}<()> for F {{\n\
             \x20       fn function(self) -> ::runtime::Function {{\n\
             \x20           self.never()\n\
             \x20       }}\n\
             \x20   }}\n"
        );
        let _ = writeln!(
            self.registered,
            "    .function({name:?}, {name}::function(self::{name}::handle))"
        );
    }

    pub(super) fn finish(self) -> String {
        let Self {
            errors,
            modules,
            signatures,
            registered,
            manifest,
            migrations,
        } = self;
        let manifest = if manifest.is_empty() {
            "\"\"".to_owned()
        } else {
            manifest
        };
        let migrations = if migrations.is_empty() {
            "            postgres: &[],\n            sqlite: &[],\n".to_owned()
        } else {
            migrations
        };
        let nothing = if signatures.is_empty() {
            String::new()
        } else {
            format!(
                "    // Makes the compiler speak in the words below.\n    trait {NOTHING} {{\n        fn never(self) -> ::runtime::Function;\n    }}\n\n"
            )
        };
        format!(
            "// Made from manifest.toml by the build script.\n\n\
             {errors}{modules}\n\
             /// Every function of the manifest, with the manifest and the migrations.\n\
             #[allow(non_camel_case_types, clippy::too_many_lines)]\n\
             pub fn registry() -> ::runtime::Registry {{\n\
             {nothing}{signatures}\
             \x20   ::runtime::Registry::new(\n\
             \x20       {manifest},\n\
             \x20       ::runtime::Migrations {{\n\
             {migrations}\
             \x20       }},\n\
             \x20   )\n\
             {registered}\
             }}\n"
        )
    }
}

/// What a trigger asks of `handle`.
struct Wanted {
    /// Those of the capability that the compiler infers from the signature.
    parameters: &'static str,
    /// A trait of the runtime.
    capability: &'static str,
    /// What tells one way of having the capability from another.
    shape: &'static str,
    /// Each behind the words that lead to it.
    signatures: &'static [(&'static str, &'static str)],
}

const fn wanted(trigger: TriggerKind) -> Wanted {
    match trigger {
        TriggerKind::Http => Wanted {
            parameters: "Shape, ",
            capability: "HttpFunction<Shape>",
            shape: "Shape",
            signatures: &[
                ("write", HTTP_SIGNATURE),
                ("or, with types of serde,", JSON_SIGNATURE),
            ],
        },
        TriggerKind::Callable => Wanted {
            parameters: "Shape, ",
            capability: "CallableFunction<Shape>",
            shape: "Shape",
            signatures: &[("write, with types of serde,", JSON_SIGNATURE)],
        },
        TriggerKind::Storage => Wanted {
            parameters: "",
            capability: "EventFunction<::runtime::StorageObjectData>",
            shape: "::runtime::StorageObjectData",
            signatures: &[("write", STORAGE_SIGNATURE)],
        },
        TriggerKind::Event => Wanted {
            parameters: "Data, ",
            capability: "EventFunction<Data>",
            shape: "Data",
            signatures: &[("write, with a type of serde for `T`,", EVENT_SIGNATURE)],
        },
    }
}

fn include(file: &Path) -> String {
    format!("include_str!({file:?})")
}

/// As the text of a diagnostic, where braces enclose a parameter.
fn braces_doubled(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}
