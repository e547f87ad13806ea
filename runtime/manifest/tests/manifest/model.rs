//! What a valid text means.

use std::time::Duration;

use manifest::{
    Access, AccessRule, Auth, Egress, ErrorFormat, Manifest, Origins, RateKey, RateLimit,
    RewriteTarget, Route, Secret, Senders, Severity, StorageEvent, Trigger, parse,
};

use crate::{HEAD, PRODUCT};

/// Everything that the format has, in one manifest.
const COMPLETE: &str = include_str!("complete.toml");

fn valid(text: &str) -> Manifest {
    let parsed = parse(text);
    let errors = |fault: &&manifest::Fault| fault.severity == Severity::Error;
    let errors: Vec<_> = parsed.faults.iter().filter(errors).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    parsed.manifest.unwrap()
}

#[test]
fn the_manifest_of_this_repository_is_valid() {
    let manifest = valid(PRODUCT);
    assert_eq!(manifest.project.id, "holograms-media");
    let chunks = &manifest.functions["chunks"];
    assert_eq!(chunks.bucket.as_deref(), Some("chunks"));
    assert_eq!(chunks.error_format, ErrorFormat::Detail);
    assert_eq!(chunks.limits.timeout, Duration::from_secs(3600));
    assert_eq!(chunks.limits.idle_timeout, Duration::from_secs(30));
    assert_eq!(chunks.limits.max_body, 2 << 30);
    let line = PRODUCT
        .lines()
        .position(|line| line == "[functions.chunks]");
    assert_eq!(Some(chunks.line), line.map(|before| before + 1));
}

#[test]
fn every_part_of_the_format_is_understood() {
    let manifest = valid(COMPLETE);
    assert_eq!(manifest.project.regions, ["europe-west1", "us-central1"]);
    assert_eq!(manifest.default_cors.as_ref().unwrap().name, "app");
    assert_eq!(manifest.functions.len(), 8);

    let chat = &manifest.functions["tria_chat_handler"];
    assert_eq!(chat.auth, Auth::Function);
    assert_eq!(chat.limits.max_body, 64 << 10);
    assert_eq!(chat.cors.as_ref().unwrap().name, "app");
    let secret = |name: &str, required| Secret {
        name: name.to_owned(),
        required,
    };
    assert_eq!(
        chat.secrets,
        [secret("MISTRAL_API_KEY", false), secret("OTHER", true)]
    );
    let host = |host: &str, port| Egress::Host {
        host: host.to_owned(),
        port,
    };
    assert_eq!(
        chat.egress,
        [
            host("api.mistral.ai", None),
            host("ollama", Some(11434)),
            host("[::1]", Some(80)),
            host("10.0.0.7", None),
            Egress::Variable("OTHER".to_owned()),
        ]
    );
    assert!(!chat.enabled);

    let event = &manifest.functions["process_chunk"];
    let Trigger::Storage(storage) = &event.trigger else {
        panic!("{event:?}");
    };
    assert_eq!(storage.event, StorageEvent::Finalized);
    assert_eq!(storage.prefix, "user_uploads/");
    assert_eq!(storage.retry.attempts, 5);
    assert_eq!(storage.retry.last_backoff, Duration::from_secs(600));
    assert_eq!(event.bucket.as_deref(), Some("chunks"));
    assert!(event.cors.is_none());

    let hello = &manifest.functions["hello_world"];
    assert!(hello.cors.is_none());
    assert!(hello.egress.is_empty());
    assert_eq!(hello.examples, ["curl $BASE/hello_world"]);
    let Origins::Listed(origins) = &manifest.default_cors.unwrap().origins else {
        panic!("listed origins");
    };
    assert_eq!(origins.len(), 2);
    assert_eq!(
        manifest.functions["auth_sync"]
            .cors
            .as_ref()
            .unwrap()
            .origins,
        Origins::Any
    );
    assert_eq!(
        manifest.buckets["chunks"].object_name.prefix,
        "user_uploads/"
    );
}

#[test]
fn a_bucket_says_who_may_read_and_write_what() {
    let manifest = valid(COMPLETE);
    let rule = |objects: &str, read, write| AccessRule {
        objects: objects.to_owned(),
        read,
        write,
    };
    assert_eq!(
        manifest.buckets["chunks"].access,
        [
            rule("user_uploads/{uid}/public/*", Access::Anyone, Access::Owner),
            rule(
                "user_uploads/{uid}/shared/**",
                Access::SignedIn,
                Access::Owner
            ),
            rule("user_uploads/*/locked/**", Access::Nobody, Access::Nobody),
            rule("user_uploads/{uid}/**", Access::Owner, Access::Owner),
        ]
    );
    assert_eq!(
        manifest.buckets["avatars"].access,
        [rule("{uid}/*", Access::Anyone, Access::Nobody)],
        "the owner's segment is called `{{uid}}` here, whatever the bucket calls it"
    );
    assert_eq!(manifest.buckets["sealed"].access, []);
    assert_eq!(
        valid(HEAD).buckets["chunks"].access,
        [rule("user_uploads/{uid}/**", Access::Owner, Access::Owner)]
    );
}

fn senders(audience: &str, emails: &[&str]) -> Senders {
    Senders {
        audience: audience.to_owned(),
        emails: emails.iter().map(|&email| email.to_owned()).collect(),
    }
}

#[test]
fn an_event_function_has_limits_and_senders() {
    let manifest = valid(COMPLETE);
    let order = &manifest.functions["note_order"];
    assert!(matches!(&order.trigger, Trigger::Event(event) if !event.subpaths));
    assert_eq!(order.aliases, ["note_order_topic"]);
    assert_eq!(order.auth, Auth::Required);
    assert_eq!(
        order.senders,
        Some(senders(
            "orders",
            &["a@holograms.media", "b@holograms.media"]
        ))
    );
    assert_eq!(order.limits.timeout, Duration::from_secs(540));
    assert_eq!(order.limits.idle_timeout, Duration::from_secs(5));
    assert_eq!(
        (order.limits.max_body, order.limits.concurrency),
        (64 << 10, 2)
    );
    assert_eq!(order.bucket.as_deref(), Some("chunks"));
    assert_eq!(order.error_format, ErrorFormat::Detail);
    assert!(!order.enabled && order.secrets.len() == 1 && order.examples.len() == 1);
    assert!(order.cors.is_none(), "`[defaults] cors` is not inherited");

    let process = &manifest.functions["process_chunk"];
    assert_eq!(process.auth, Auth::Required);
    assert_eq!(
        process.senders,
        Some(senders(
            "https://holograms.media/process_chunk",
            &["push@holograms-media.iam.gserviceaccount.com"]
        ))
    );
}

#[test]
fn an_event_that_functions_publish_has_a_type_and_is_tried_again() {
    let manifest = valid(COMPLETE);
    let trigger = |name: &str| match &manifest.functions[name].trigger {
        Trigger::Event(event) => event.clone(),
        other => panic!("{other:?}"),
    };
    let published = trigger("learn_from_chat");
    assert_eq!(
        published.kind.as_deref(),
        Some("media.holograms.chat.replied")
    );
    assert!(published.subpaths);
    assert_eq!(published.retry.attempts, 3);
    assert_eq!(published.retry.first_backoff, Duration::from_secs(5));
    assert_eq!(published.retry.last_backoff, Duration::from_secs(60));
    assert_eq!(published.retry.window, Duration::from_secs(24 * 3600));
    assert_eq!(trigger("note_order").kind, None);
    assert_eq!(trigger("note_order").retry.attempts, 8);

    let longest = "a.".repeat(127) + "a";
    let text =
        format!("{HEAD}[functions.f]\nauth = \"required\"\nevent = {{ type = \"{longest}\" }}");
    let Trigger::Event(event) = &valid(&text).functions["f"].trigger else {
        panic!("an event trigger");
    };
    assert_eq!(event.kind.as_deref(), Some(&*longest));
}

#[test]
fn an_event_function_may_be_open_to_everybody() {
    let text = format!("{HEAD}[functions.f]\nevent = {{}}\nauth = \"none\"\npublic = true");
    let parsed = parse(&text);
    assert!(parsed.faults.is_empty(), "{:#?}", parsed.faults);
    let f = &parsed.manifest.unwrap().functions["f"];
    assert_eq!(f.auth, Auth::None);
    assert!(matches!(&f.trigger, Trigger::Event(event) if event.subpaths));
    assert!(f.senders.is_none() && f.bucket.is_none() && f.cors.is_none());
    assert_eq!(f.limits.timeout, Duration::from_secs(60));
    assert_eq!(f.limits.max_body, 10 << 20);
}

#[test]
fn rewrites_keep_their_order_their_form_and_their_target() {
    let manifest = valid(COMPLETE);
    let shown: Vec<(String, String)> = manifest
        .rewrites
        .iter()
        .map(|rewrite| {
            let target = match &rewrite.target {
                RewriteTarget::Function(name) => name.clone(),
                RewriteTarget::Destination(file) => format!("file {file}"),
            };
            (rewrite.source.to_string(), target)
        })
        .collect();
    let expected = [
        ("/api/chat", "tria_chat_handler"),
        ("/api/ask", "ask"),
        ("/api/orders", "note_order"),
        ("/api/hello/**", "hello_world"),
        ("/{de,en}/hello.*", "hello_world"),
        ("regex ^/v[0-9]+/hello$", "hello_world"),
        ("!/@(js|css)/**", "file /app/index.html"),
    ];
    assert_eq!(
        shown,
        expected.map(|(source, target)| (source.to_owned(), target.to_owned()))
    );
    let line = |at: usize| COMPLETE.lines().nth(manifest.rewrites[at].line - 1);
    assert_eq!(line(0), Some("[[rewrites]]"));
    assert_eq!(manifest.target, None);
}

#[test]
fn hosting_is_a_folder_and_headers_by_path() {
    let hosting = valid(COMPLETE).hosting.unwrap();
    assert_eq!(hosting.public, "web/dist");
    let [scripts, all] = hosting.headers.as_slice() else {
        panic!("{hosting:?}");
    };
    assert!(scripts.source.matches("/a/b.js") && !scripts.source.matches("/a.html"));
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        scripts.headers,
        [header("Cache-Control", "max-age=31536000, immutable")]
    );
    assert_eq!(
        all.headers,
        [
            header("Referrer-Policy", "same-origin"),
            header("X-Frame-Options", "DENY")
        ]
    );
    assert!(valid(HEAD).hosting.is_none());
}

#[test]
fn a_callable_has_what_a_called_function_has() {
    let manifest = valid(COMPLETE);
    let ask = &manifest.functions["ask"];
    assert!(matches!(ask.trigger, Trigger::Callable(_)));
    assert_eq!(ask.aliases, ["ask_tria"]);
    assert_eq!(ask.auth, Auth::Function);
    assert_eq!(ask.cors.as_ref().unwrap().name, "everybody");
    assert_eq!(ask.limits.timeout, Duration::from_secs(20));
    assert_eq!(ask.limits.idle_timeout, Duration::from_secs(5));
    assert_eq!(
        (ask.limits.max_body, ask.limits.concurrency),
        (64 << 10, 10)
    );
    assert_eq!(ask.rate_limit.unwrap().requests, 5);
    assert!(ask.flags["beta"] && !ask.enabled);
    assert_eq!(ask.bucket.as_deref(), Some("chunks"));
    assert_eq!(ask.error_format, ErrorFormat::Firebase);
    assert!(ask.senders.is_none() && ask.secrets.len() == 1 && ask.examples.len() == 1);

    let text = format!(
        "{HEAD}[defaults]\ncors = \"app\"\n[functions.f]\ncallable = {{}}\nauth = \"required\""
    );
    let inherited = &valid(&text).functions["f"].cors;
    assert_eq!(inherited.as_ref().unwrap().name, "app");
}

#[test]
fn a_rate_limit_is_inherited_by_whatever_is_called() {
    let manifest = valid(COMPLETE);
    let limit = |name: &str| manifest.functions[name].rate_limit;
    let own = RateLimit {
        requests: 30,
        period: Duration::from_secs(60),
        per: RateKey::Caller,
    };
    let inherited = RateLimit {
        requests: 1000,
        period: Duration::from_secs(3600),
        per: RateKey::Address,
    };
    assert_eq!(limit("tria_chat_handler"), Some(own));
    assert_eq!(limit("auth_sync"), Some(inherited));
    assert_eq!(limit("note_order"), Some(inherited));
    assert_eq!(limit("hello_world"), None, "`\"none\"`");
    assert_eq!(limit("process_chunk"), None, "its events are nobody's");
}

#[test]
fn a_caller_proves_nothing_beside_the_token_unless_that_is_written() {
    let manifest = valid(COMPLETE);
    let proofs = |name: &str| {
        let function = &manifest.functions[name];
        (function.app_check, function.check_revoked)
    };
    assert_eq!(proofs("ask"), (true, true));
    assert_eq!(proofs("auth_sync"), (false, false), "written so");
    assert_eq!(proofs("hello_world"), (false, false));
    assert_eq!(proofs("process_chunk"), (false, false));
}

#[test]
fn flags_are_on_or_off() {
    let manifest = valid(COMPLETE);
    let flags = &manifest.functions["tria_chat_handler"].flags;
    let flags: Vec<(&str, bool)> = flags.iter().map(|(name, on)| (&**name, *on)).collect();
    assert_eq!(flags, [("beta", false), ("legacy_anonymous_chat", true)]);
    assert!(manifest.functions["auth_sync"].flags.is_empty());
}

#[test]
fn what_is_not_written_has_a_default() {
    let text = format!(
        "{HEAD}[functions.f]\nhttp = {{}}\nauth = \"required\"\n[functions.g]\nstorage = {{ bucket = \"chunks\", event = \"deleted\" }}"
    );
    let manifest = valid(&text);
    let f = &manifest.functions["f"];
    assert_eq!(f.limits.timeout, Duration::from_secs(60));
    assert_eq!(f.limits.idle_timeout, Duration::from_secs(30));
    assert_eq!(f.limits.max_body, 10 << 20);
    assert_eq!(f.limits.concurrency, 80);
    assert_eq!(f.error_format, ErrorFormat::Firebase);
    assert!(f.enabled && f.cors.is_none() && f.bucket.is_none());
    assert!(f.rate_limit.is_none() && f.flags.is_empty());
    assert!(matches!(&f.trigger, Trigger::Http(http) if http.subpaths && http.routes.is_empty()));
    let Trigger::Storage(storage) = &manifest.functions["g"].trigger else {
        panic!("a storage trigger");
    };
    assert_eq!(storage.retry.attempts, 8);
    assert_eq!(storage.retry.first_backoff, Duration::from_secs(1));
    assert_eq!(storage.retry.window, Duration::from_secs(24 * 3600));
    assert_eq!(storage.prefix, "");
    assert_eq!(manifest.functions["g"].limits.max_body, 10 << 20);
    assert!(manifest.functions["g"].senders.is_none());
    assert_eq!(manifest.buckets["chunks"].min_free, 128 << 20);
    assert_eq!(manifest.buckets["chunks"].quota_per_user, None);
}

#[test]
fn defaults_are_inherited_key_by_key() {
    let defaults = "[defaults]\ntimeout = { total = \"20s\", idle = \"5s\" }\nmax_body = \"1MiB\"\nconcurrency = 7\ncors = \"app\"\n";
    let text = format!(
        "{HEAD}{defaults}[functions.f]\nhttp = {{}}\nauth = \"required\"\nmax_body = \"2MiB\"\n\
         [functions.g]\nstorage = {{ bucket = \"chunks\", event = \"deleted\" }}\nconcurrency = 1\n\
         [functions.h]\nevent = {{}}\nauth = \"required\""
    );
    let manifest = valid(&text);
    let f = &manifest.functions["f"];
    assert_eq!(f.limits.timeout, Duration::from_secs(20));
    assert_eq!(f.limits.idle_timeout, Duration::from_secs(5));
    assert_eq!((f.limits.max_body, f.limits.concurrency), (2 << 20, 7));
    assert_eq!(f.cors.as_ref().unwrap().name, "app");
    let g = &manifest.functions["g"];
    assert_eq!(g.limits.timeout, Duration::from_secs(20));
    assert_eq!(g.limits.concurrency, 1);
    assert!(g.cors.is_none());
    let h = &manifest.functions["h"];
    assert_eq!(h.limits.timeout, Duration::from_secs(20));
    assert_eq!(h.limits.idle_timeout, Duration::from_secs(5));
    assert_eq!((h.limits.max_body, h.limits.concurrency), (1 << 20, 7));
    assert!(h.cors.is_none());
}

#[test]
fn two_functions_may_share_a_path_with_different_methods() {
    let text = format!(
        "{HEAD}[functions.f]\nhttp = {{ routes = [\"GET /items/{{id}}\"] }}\nauth = \"required\"\n\
         [functions.g]\nhttp = {{ routes = [\"POST /items/{{id}}\", \"DELETE /items/{{id}}\"] }}\nauth = \"required\""
    );
    let manifest = valid(&text);
    let Trigger::Http(http) = &manifest.functions["g"].trigger else {
        panic!("an http trigger");
    };
    let route = |method: &str| Route {
        method: Some(method.to_owned()),
        path: "/items/{id}".to_owned(),
    };
    assert_eq!(http.routes, [route("POST"), route("DELETE")]);
}

#[test]
fn overlaps_with_a_defined_winner_are_no_clash() {
    for lines in [
        "http = { routes = [\"/v0/b/{bucket}/o\", \"/v0/b/{bucket}/o/{*object}\", \"/v0/b/x/o\"] }",
        "http = { routes = [\"/f\", \"/f/deeper/{*rest}\"] }",
        "http = {}\n[[rewrites]]\nsource = \"/api/chat\"\nfunction = \"f\"\n[[rewrites]]\nsource = \"/api/**\"\nfunction = \"f\"",
        "http = {}\n[[rewrites]]\nsource = \"/**\"\nfunction = \"f\"",
        "http = {}\n[hosting]\npublic = \"public\"\n[[rewrites]]\nsource = \"**\"\ndestination = \"/index.html\"",
        "http = {}\n[[rewrites]]\nregex = \"^/a\"\nfunction = \"f\"\n[[rewrites]]\nregex = \"^/ab\"\nfunction = \"f\"",
        "http = {}\n[[rewrites]]\nsource = \"/*/x\"\nfunction = \"f\"\n[[rewrites]]\nsource = \"/a/**\"\nfunction = \"f\"",
    ] {
        valid(&format!(
            "{HEAD}[functions.f]\nauth = \"required\"\n{lines}"
        ));
    }
}
