//! A paragraph for every code: what it means, why it is refused, what to do.

/// The explanation of a code such as `E012`, in either case; `None` when there is no such code.
pub fn explain(code: &str) -> Option<&'static str> {
    let code = code.to_ascii_uppercase();
    let found = TEXTS.iter().find(|(known, _)| *known == code);
    found.map(|(_, text)| *text)
}

const TEXTS: [(&str, &str); 26] = [
    (
        "E001",
        "A key that this table does not have. Unknown keys are refused, because a misspelt limit that is ignored \
         is a limit that does not exist. The message names the nearest key and the help lists them all.",
    ),
    (
        "E002",
        "The manifest has an entry for a function, but the package of the functions has no file for it. A function \
         `greet` is `greet.rs` or `greet/mod.rs` there. Write the file, or remove the entry.",
    ),
    (
        "E003",
        "A file in the folder of the functions is neither named by an entry of the manifest nor declared as a \
         module of lib.rs or main.rs, so nothing would ever run it. Paste the entry that the message shows, or \
         write `mod NAME;` into lib.rs when the file is something that functions share.",
    ),
    (
        "E004",
        "Every function has exactly one trigger: `http = { … }`, `callable = {}` for what the Firebase SDKs call, \
         `storage = { … }` for the objects of a bucket, or `event = { … }` for any other CloudEvent. The trigger is a key, so that a kind can \
         never disagree with its settings. To run the same code for several, let functions call one module.",
    ),
    (
        "E005",
        "Two functions claim one URL: through the same name or alias, the same route, routes that differ in the \
         names of their segments alone, or a route or rewrite that takes the URL which follows from another \
         function's name. (Two buckets in one folder are the same fault.) The message names both lines and a URL \
         that both would match. Two functions may share a path when each route names its own method.",
    ),
    (
        "E006",
        "Something can never fire. Explicit routes come before rewrites, and rewrites are tried in the order of \
         the file, so a rewrite behind a wider one is dead, and so is an access rule of a bucket behind a wider one; \
         a storage trigger or an access rule that no object of its bucket can match is dead from the start. The message names what wins.",
    ),
    (
        "E007",
        "A name that refers to nothing: a CORS policy, a bucket, a function, a secret of `egress` that the function \
         does not list, or a value of `auth`, `error_format`, \
         `event`, `read` or `write`. The help lists those that exist. CORS policies are `[cors.NAME]`, buckets `[buckets.NAME]`.",
    ),
    (
        "E009",
        "A value that looks like a secret: a token of a well-known form, a URL with a password, a private key, a \
         long random string, or any value of a key such as `password`. The manifest is in the repository and \
         compiled into the binary. Put the value into the environment, list its name in the function's `secrets`, \
         and revoke it if the file was ever shared. The value is never printed.",
    ),
    (
        "E010",
        "An origin is what a browser sends in `Origin`: scheme, host and port, in lower case, without a path and \
         without the scheme's usual port. It is compared byte by byte, so any other spelling would never match. \
         `[\"*\"]` alone means everybody.",
    ),
    (
        "E012",
        "A quantity without its unit, with an unknown one, or out of range. Durations are whole numbers of ms, s, \
         m or h; byte counts of B, KiB, MiB, GiB, or the decimal kB, MB, GB. A timeout is at most 60m for `http` \
         and `callable` and 540s for `storage` and `event`, as in Cloud Functions; a `rate_limit` is so many requests in a period \
         of `s`, `min` or `h`, counted per `caller` or per `address`. The help names the range of the key.",
    ),
    (
        "E014",
        "A warning: the timeout is longer than the 25 seconds that a deployment waits for calls in flight, so a \
         call that is running then is cut. This is fine for clients that repeat such a call, and for large \
         uploads and downloads there is no way around it. Events are not affected: they are delivered again.",
    ),
    (
        "E016",
        "A key, or a value of `auth`, that has no meaning for this trigger. `cors`, `app_check` and `check_revoked` \
         belong to `http` and `callable`, because no browser and no app sends events; `auth`, `public`, `max_body` and `rate_limit` to these and `event`, and \
         so does being the target of a rewrite; `error_format` to `http` and `event`, because the SDKs read a \
         callable's refusals in Firebase's own shape; `senders` to `storage` and `event`; `retry` to `storage` and \
         to an `event` with a `type`, because callers, and those who POST an event, repeat their own requests. \
         `auth = \"function\"` is for `http` and `callable`: \
         the router alone judges the senders of events.",
    ),
    (
        "E018",
        "A warning: with `auth = \"none\"` everybody on the internet may call the function, or send it events. \
         `public = true` beside it says that this is meant. The same code warns of what contradicts `auth`: \
         `public = true` on a function that does ask for a caller, `senders` or `check_revoked` on one that lets \
         everybody in.",
    ),
    (
        "E019",
        "A name or path that is taken: health checks (`healthz`, `health`, `readyz`), `metrics`, `robots.txt` \
         and `favicon.ico` (Cloud Functions answer 404 there), `v0` (the Storage protocol), everything that starts \
         with `__` (Firebase Hosting), types of events that start with `google.` (storage and Google), headers \
         that the router sets itself, the \
         project's id, `none` as a policy, and `lib`, `main` and `build`, whose \
         files mean something else to cargo.",
    ),
    (
        "E021",
        "The text is not TOML. Nothing else is checked until it is: what can be guessed of a broken text would \
         only add faults that are not there. A key or table that stands there twice is this fault too.",
    ),
    (
        "E022",
        "A key without a default is missing. `auth` is one of them on purpose: an open door is written down, \
         never left over. The help shows what to write.",
    ),
    (
        "E023",
        "A value of another type than the key has: a number where a string with a unit is meant, a string in \
         place of a list, and so on. The message names both types.",
    ),
    (
        "E024",
        "A function's name is a Rust module and a segment of URLs, so it is an identifier in ASCII of at most 63 \
         characters and not a word of Rust. An alias is a segment alone and may hold dashes; use aliases for \
         spellings that clients know.",
    ),
    (
        "E025",
        "A route or a rewrite that cannot be matched. A route is a path, perhaps behind a method in capitals; \
         `{name}` is one segment and a last `{*name}` is the rest. The source of a rewrite is a glob as in firebase.json: \
         `*` is anything within a segment, `**` any number of segments, `?` one character, `[a-z]` one of a class, \
         `{a,b}` and `@(a|b)` alternatives, and a `!` before it all turns it round. A `regex` is in RE2\'s syntax \
         and may match anywhere in the path. The objects of an access rule are segments: as they are, the owner's in braces, `*` for \
         one, and a last `**` for one or more.",
    ),
    (
        "E026",
        "`manifest = 1` is the version of the format, and this build understands no other. A newer manifest needs \
         a newer build.",
    ),
    (
        "E027",
        "A value that is not in the form its key asks for: the id of a project, a region, the name of a bucket, of \
         a folder, of a secret, of a flag, of a host in `egress`, the type of an event, a file or a header of \
         hosting, the pattern of object names, or the audience and the e-mail addresses of \
         `senders`. The help describes the form.",
    ),
    (
        "E028",
        "An entry stands in a list twice, or two routes of one function match the same requests. Nothing would \
         break, but one of the two is not what somebody meant.",
    ),
    (
        "E029",
        "The file of a function has no `pub async fn handle`, which is what the runtime calls. For `http` write \
         `pub async fn handle(context: Context, request: Request) -> Result<Response>`, or `(context: Context, \
         input: In) -> Result<Out>` with types of serde, which is also what `callable` takes; for `storage` write `pub async fn handle(context: \
         Context, event: CloudEvent<StorageObjectData>) -> Result<()>`; for `event` the same with \
         `CloudEvent<T>`, where `T` is any type of serde.",
    ),
    (
        "E030",
        "An access rule of a bucket lets the owner of an object in, and its pattern does not say which segment of \
         the object's name is the owner: nobody would ever be let in. Write that segment as `{uid}`, by the name \
         that `owner` gives it, or let in `\"signed_in\"`, which is whoever has a valid token.",
    ),
    (
        "E031",
        "Two keys that exclude each other. A rewrite has `source`, a glob, or `regex`; and `function`, which it \
         runs, or `destination`, a file that it shows.",
    ),
    (
        "E032",
        "A rewrite shows a file, and the manifest has no folder of files. Write `[hosting]` with `public = \
         \"public\"`: the folder beside the manifest where `destination` is looked for.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn every_code_has_an_explanation() {
        for code in Code::ALL {
            assert!(explain(code.as_str()).is_some(), "{code}");
        }
        assert_eq!(TEXTS.len(), Code::ALL.len());
        assert_eq!(explain("e012"), explain("E012"));
        assert_eq!(explain("E999"), None);
    }
}
