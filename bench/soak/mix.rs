//! What the clients ask, and what must come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use serde_json::{Value, json};

use crate::borrowed::content::random;
use crate::borrowed::form;
use crate::client::{Call, Client, Failure, Outcome, Reply};
use crate::objects::{Object, Objects, objects};
use crate::provider::answer_to;
use crate::users::{self, Tokens, uid};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Hello,
    Sync,
    Chat,
    /// The chat as a callable, in a conversation.
    Callable,
    Upload,
    Download,
    /// From here on Cloud Storage for Firebase.
    Multipart,
    Resumable,
    Media,
    List,
    Describe,
    Change,
    Delete,
    /// From here on what is refused.
    Forged,
    Tokenless,
    Elsewhere,
    Absent,
    Anothers,
}

/// Of a hundred requests.
const MIX: [(Kind, u64); 18] = [
    (Kind::Hello, 15),
    (Kind::Sync, 10),
    (Kind::Chat, 8),
    (Kind::Callable, 8),
    (Kind::Upload, 8),
    (Kind::Download, 12),
    (Kind::Multipart, 3),
    (Kind::Resumable, 1),
    (Kind::Media, 5),
    (Kind::List, 2),
    (Kind::Describe, 4),
    (Kind::Change, 2),
    (Kind::Delete, 11),
    (Kind::Forged, 3),
    (Kind::Tokenless, 2),
    (Kind::Elsewhere, 2),
    (Kind::Absent, 2),
    (Kind::Anothers, 2),
];

impl Kind {
    pub(crate) fn any() -> Self {
        let all = MIX.iter().map(|(_, share)| share).sum();
        let mut left = random(all);
        for (kind, share) in MIX {
            match left.checked_sub(share) {
                Some(rest) => left = rest,
                None => return kind,
            }
        }
        unreachable!("less than the sum of all shares")
    }

    pub(crate) fn chats(self) -> bool {
        matches!(self, Self::Chat | Self::Callable)
    }

    pub(crate) fn needs_database(self) -> bool {
        matches!(self, Self::Sync | Self::Callable)
    }
}

/// The chats whose answers came, and those whose did not.
#[derive(Default)]
pub(crate) struct Chats {
    pub(crate) answered: Vec<String>,
    pub(crate) unknown: Vec<String>,
}

/// All clients together.
pub(crate) struct Clients {
    pub(crate) http: Client,
    pub(crate) tokens: Tokens,
    pub(crate) objects: Objects,
    pub(crate) chats: std::sync::Mutex<Chats>,
    questions: AtomicU64,
}

const HELLO: &[u8] = b"Hello from Firebase Cloud Functions (Python) by Tria & Flash!";
/// What the bytes of a resumable upload are counted in.
const BLOCK: usize = 256 << 10;

impl Clients {
    pub(crate) fn new(http: Client) -> Self {
        Self {
            http,
            tokens: Tokens::new(),
            objects: Objects::default(),
            chats: std::sync::Mutex::default(),
            questions: AtomicU64::new(0),
        }
    }

    pub(crate) async fn ask(&self, kind: Kind) -> Outcome {
        match kind {
            Kind::Hello => self.hello("/hello_world").await,
            Kind::Sync => self.sync().await,
            Kind::Chat | Kind::Callable => self.chat(kind).await,
            Kind::Upload | Kind::Multipart | Kind::Resumable => self.upload(kind).await,
            Kind::Delete => match self.objects.oldest() {
                Some(object) => self.delete(object).await,
                None => self.hello("/hello_world").await,
            },
            Kind::Download | Kind::Media | Kind::List | Kind::Describe | Kind::Change => {
                match self.objects.any() {
                    Some(object) => self.look(kind, &object).await,
                    None => self.hello("/hello_world").await,
                }
            }
            _ => self.trespass(kind).await,
        }
    }

    pub(crate) async fn hello(&self, target: &str) -> Outcome {
        let reply = self.http.send(Call::get(target)).await?;
        reply.must_be(&[200])?.must_hold(HELLO)
    }

    pub(crate) async fn sync(&self) -> Outcome {
        let user = users::any();
        let call = Call::post("/auth_sync").bearer(&self.tokens.of(user));
        let reply = self.http.send(call.json(&json!({}))).await?;
        if reply.status == 500 && reply.json()?["message"] == "A database error occurred." {
            return Err(Failure::Refused("500, as it always said it".to_owned()));
        }
        let reply = reply.must_be(&[200, 201])?;
        let answer = reply.json()?;
        let expected = (json!("success"), json!(uid(user)));
        must(
            &reply,
            (&answer["status"], &answer["user_id"]) == (&expected.0, &expected.1),
        )
    }

    pub(crate) async fn chat(&self, kind: Kind) -> Outcome {
        let number = self.questions.fetch_add(1, Ordering::Relaxed);
        let question = format!("question {number}");
        let result = self.converse(kind, &question).await;
        let mut chats = self.chats.lock().expect("chats");
        match result {
            Ok(()) => chats.answered.push(question),
            Err(_) => chats.unknown.push(question),
        }
        result
    }

    async fn converse(&self, kind: Kind, question: &str) -> Outcome {
        let token = self.tokens.of(users::any());
        let (target, asked) = match kind {
            Kind::Callable => (
                "/tria_chat",
                json!({"data": {"text": question, "session_id": "new"}}),
            ),
            _ => ("/tria_chat_handler", json!({"text": question})),
        };
        let call = Call::post(target).bearer(&token).json(&asked);
        let reply = self.http.send(call).await?.must_be(&[200])?;
        let cause = reply.header("x-llm-error");
        if !cause.is_empty() {
            return Err(Failure::Refused(format!("200, x-llm-error: {cause}")));
        }
        let answer = reply.json()?;
        let said = match kind {
            Kind::Callable => &answer["result"]["response"],
            _ => &answer["response"],
        };
        must(&reply, *said == answer_to(question))
    }

    async fn upload(&self, kind: Kind) -> Outcome {
        let size = match kind {
            Kind::Resumable => BLOCK + random(50_000) as usize,
            _ if random(20) == 0 => random(200_000) as usize,
            _ => random(16_000) as usize,
        };
        let object = self.objects.invent(size);
        let result = match kind {
            Kind::Upload => self.upload_form(&object).await,
            Kind::Multipart => self.upload_multipart(&object).await,
            _ => self.upload_in_chunks(&object).await,
        };
        match result {
            Ok(()) => self.objects.uploaded(object),
            Err(_) => self.objects.not_acknowledged(object),
        }
        result
    }

    async fn upload_form(&self, object: &Object) -> Outcome {
        let (uid, name) = (object.uid(), object.file_name());
        let call = Call::post(format!("/api/v1/chunks/upload_chunk/{uid}"))
            .bearer(&self.tokens.of(object.user))
            .header("content-type", form::content_type())
            .body(form::file(&name, &object.bytes()));
        let reply = self.http.send(call).await?.must_be(&[200])?;
        let message = format!("Chunk '{name}' uploaded successfully for user '{uid}'.");
        must(&reply, reply.json()? == json!({"message": message}))
    }

    async fn upload_multipart(&self, object: &Object) -> Outcome {
        let said = json!({"name": object.name(), "contentType": "video/webm"});
        let head = format!(
            "--soak\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{said}\r\n\
             --soak\r\nContent-Type: video/webm\r\n\r\n"
        );
        let body = [head.as_bytes(), &object.bytes(), b"\r\n--soak--"].concat();
        let call = Call::post(objects())
            .header("x-goog-upload-protocol", "multipart")
            .header("content-type", "multipart/related; boundary=soak")
            .body(body);
        let reply = self.signed_in(call, object.user).await?.must_be(&[200])?;
        must_describe(&reply, object)
    }

    /// As the web's SDK does it: a start, a block, and the rest.
    async fn upload_in_chunks(&self, object: &Object) -> Outcome {
        let said = json!({"name": object.name(), "contentType": "video/webm"});
        let start = Call::post(format!("{}?name={}", objects(), object.name()))
            .header("x-goog-upload-protocol", "resumable")
            .header("x-goog-upload-command", "start")
            .header("x-goog-upload-header-content-type", "video/webm")
            .header(
                "x-goog-upload-header-content-length",
                object.size.to_string(),
            )
            .json(&said);
        let reply = self.signed_in(start, object.user).await?.must_be(&[200])?;
        let origin = format!("http://{}", self.http.address);
        let url = reply.header("x-goog-upload-url").strip_prefix(&origin);
        let target = url.ok_or_else(|| reply.wrong())?.to_owned();
        let bytes = object.bytes();
        let (block, rest) = bytes.split_at(BLOCK);
        let chunk = |command: &str, offset: usize, bytes: &[u8]| {
            Call::post(&*target)
                .header("x-goog-upload-command", command)
                .header("x-goog-upload-offset", offset.to_string())
                .body(bytes)
        };
        let reply = self.http.send(chunk("upload", 0, block)).await?;
        let reply = reply.must_be(&[200])?;
        must(
            &reply,
            reply.header("x-goog-upload-size-received") == BLOCK.to_string(),
        )?;
        let last = chunk("upload, finalize", BLOCK, rest);
        let reply = self.http.send(last).await?.must_be(&[200])?;
        must_describe(&reply, object)
    }

    async fn delete(&self, object: Arc<Object>) -> Outcome {
        let call = Call::new(Method::DELETE, object.path());
        let result = async { self.signed_in(call, object.user).await?.must_be(&[204]) }.await;
        match &result {
            Ok(_) => self.objects.deleted(object),
            Err(_) => self.objects.perhaps_deleted(object),
        }
        result.map(|_| ())
    }

    /// Reads an object, or what is said of it; the bytes are those that were sent.
    pub(crate) async fn look(&self, kind: Kind, object: &Object) -> Outcome {
        let (uid, path) = (object.uid(), object.path());
        match kind {
            Kind::Download => {
                let reply = self.download(object).await?.must_be(&[200])?;
                reply.must_hold(&object.bytes())
            }
            Kind::Media => {
                let call = Call::get(format!("{path}?alt=media"));
                let reply = self.signed_in(call, object.user).await?.must_be(&[200])?;
                reply.must_hold(&object.bytes())
            }
            Kind::List => {
                let folder = format!("?prefix=user_uploads%2F{uid}%2F&delimiter=%2F");
                let call = Call::get(objects() + &folder);
                let reply = self.signed_in(call, object.user).await?.must_be(&[200])?;
                let answer = reply.json()?;
                let items = answer["items"].as_array().ok_or_else(|| reply.wrong())?;
                let name = Value::from(object.name());
                let times = items.iter().filter(|item| item["name"] == name).count();
                must(&reply, times == 1)
            }
            Kind::Change => {
                let change = json!({"contentLanguage": "de"});
                let call = Call::new(Method::PATCH, path).json(&change);
                let reply = self.signed_in(call, object.user).await?.must_be(&[200])?;
                must(&reply, reply.json()?["contentLanguage"] == "de")?;
                must_describe(&reply, object)
            }
            _ => {
                let reply = self.signed_in(Call::get(path), object.user).await?;
                must_describe(&reply.must_be(&[200])?, object)
            }
        }
    }

    pub(crate) async fn download(&self, object: &Object) -> Outcome<Reply> {
        let (uid, name) = (object.uid(), object.file_name());
        let call = Call::get(format!("/api/v1/chunks/download_chunk/{uid}/{name}"));
        let call = call.bearer(&self.tokens.of(object.user));
        self.http.send(call).await
    }

    /// What must be refused, and how.
    async fn trespass(&self, kind: Kind) -> Outcome {
        let user = users::any();
        let own = format!("/api/v1/chunks/download_chunk/{}/absent", uid(user));
        let others = format!("/api/v1/chunks/download_chunk/{}x/absent", uid(user));
        let (call, status) = match kind {
            Kind::Forged => (Call::post("/auth_sync").bearer(&users::forged()), 401),
            Kind::Tokenless => (Call::post("/auth_sync").json(&json!({})), 401),
            Kind::Elsewhere => (Call::get("/no/such/path"), 404),
            Kind::Absent => (Call::get(own).bearer(&self.tokens.of(user)), 404),
            _ => (Call::get(others).bearer(&self.tokens.of(user)), 403),
        };
        self.http.send(call).await?.must_be(&[status]).map(|_| ())
    }

    /// As the web's SDK sends it.
    async fn signed_in(&self, call: Call, user: usize) -> Outcome<Reply> {
        let token = format!("Firebase {}", self.tokens.of(user));
        self.http.send(call.header("authorization", token)).await
    }
}

fn must(reply: &Reply, holds: bool) -> Outcome {
    if holds { Ok(()) } else { Err(reply.wrong()) }
}

/// The metadata of this object.
fn must_describe(reply: &Reply, object: &Object) -> Outcome {
    let answer = reply.json()?;
    let size = object.size.to_string();
    must(
        reply,
        answer["name"] == object.name() && answer["size"] == size,
    )
}
