//! Files beside the functions, as Firebase Hosting shows them.

mod versions;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use runtime::testing::{Environment, TestServer, http_client as client};
use runtime::{
    Context, HttpFunction as _, Migrations, Registry, Request, Response, Result, StatusCode, json,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const HEAD: &str = r#"
manifest = 1

[project]
id      = "demo-project"
regions = ["europe-west1"]

[cors.app]
origins = ["https://app.example"]

[defaults]
cors = "app"

[functions.echo]
http   = { routes = ["POST /only/post"] }
auth   = "none"
public = true

[hosting]
public  = "public"
headers = [
  { source = "**/*.js", headers = { "Cache-Control" = "max-age=31536000", "X-Rule" = "script" } },
  { source = "/deep/**", headers = { "X-Rule" = "deep" } },
]

[[rewrites]]
source   = "/api/**"
function = "echo"
"#;

const SINGLE_PAGE: &str = "
[[rewrites]]
source      = \"**\"
destination = \"/index.html\"
";

struct Site {
    server: TestServer,
    folder: TempDir,
}

impl Site {
    async fn start(rewrites: &str) -> Self {
        let folder = TempDir::new().unwrap();
        for (path, text) in [
            ("index.html", "<p>home"),
            ("404.html", "<p>nothing"),
            ("a b.txt", "0123456789"),
            ("app.js", "run()"),
            ("data.json", "{}"),
            ("empty.css", ""),
            ("echo", "a file that is called like a function"),
            ("api/known.json", "[]"),
            ("deep/index.html", "<p>deep"),
            ("deep/app.js", "dive()"),
            ("noindex/x.bin", "x"),
            (".env", "a secret"),
            (".git/config", "a secret"),
            ("deep/.hidden/x.txt", "a secret"),
            ("__/init.js", "not shown"),
            ("../outside.txt", "a secret"),
        ] {
            let path = folder.path().join("public").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let server = start(folder.path(), rewrites).await.unwrap();
        Self { server, folder }
    }

    fn public(&self) -> std::path::PathBuf {
        self.folder.path().join("public")
    }

    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> reqwest::Response {
        let mut request = client().request(method, self.server.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        self.send(reqwest::Method::GET, path, &[]).await
    }

    async fn text(&self, path: &str) -> (u16, String) {
        let response = self.get(path).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }
}

async fn start(folder: &Path, rewrites: &str) -> anyhow::Result<TestServer> {
    let manifest: &'static str = Box::leak(format!("{HEAD}{rewrites}").into_boxed_str());
    let migrations = Migrations {
        postgres: &[],
        sqlite: &[],
    };
    let registry = Registry::new(manifest, migrations).function("echo", echo.into_function());
    let environment = Environment {
        manifest_folder: folder.to_owned(),
        ..Environment::default()
    };
    TestServer::start_with(&registry, &environment).await
}

async fn echo(_context: Context, request: Request) -> Result<Response> {
    json(StatusCode::OK, &json!({"url": request.uri().to_string()}))
}

fn is_json_404(status: u16, body: &str) -> bool {
    let body: Option<Value> = serde_json::from_str(body).ok();
    status == 404 && body.is_some_and(|body| body["error"]["status"] == "NOT_FOUND")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_found_by_its_path_and_a_folder_shows_its_index() {
    let site = Site::start("").await;
    for (path, media, text) in [
        ("/", "text/html; charset=utf-8", "<p>home"),
        ("/index.html?x=1", "text/html; charset=utf-8", "<p>home"),
        ("/a%20b.txt", "text/plain; charset=utf-8", "0123456789"),
        ("/app.js", "text/javascript; charset=utf-8", "run()"),
        ("/data.json", "application/json", "{}"),
        ("/empty.css", "text/css; charset=utf-8", ""),
        ("/noindex/x.bin", "application/octet-stream", "x"),
        ("/deep", "text/html; charset=utf-8", "<p>deep"),
        ("/deep/", "text/html; charset=utf-8", "<p>deep"),
        ("//deep//app.js", "text/javascript; charset=utf-8", "dive()"),
    ] {
        let response = site.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let headers = response.headers().clone();
        assert_eq!(headers["content-type"], media, "{path}");
        assert_eq!(headers["content-length"], text.len().to_string(), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(response.text().await.unwrap(), text, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_plain_file_of_the_folder_is_not_there() {
    let site = Site::start("").await;
    let public = site.public();
    symlink(
        site.folder.path().join("outside.txt"),
        public.join("link.txt"),
    )
    .unwrap();
    symlink("app.js", public.join("inner.js")).unwrap();
    symlink(site.folder.path(), public.join("up")).unwrap();
    symlink("deep", public.join("across")).unwrap();
    nix_pipe(&public.join("pipe"));
    for path in [
        "/missing",
        "/noindex",
        "/noindex/",
        "/app.js/",
        "/app.js/x",
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/deep/.hidden/x.txt",
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/deep/%2e%2e/app.js",
        "/deep%2fapp.js",
        "/link.txt",
        "/inner.js",
        "/up/outside.txt",
        "/across/app.js",
        "/pipe",
        "/a%00",
        "/%ff",
        "/__/init.js",
        "/404.htm",
    ] {
        let answer = raw_get(&site, path).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        assert!(!answer.contains("secret"), "{path}: {answer}");
    }
}

/// A path as it is: a client would take `..` out of it.
async fn raw_get(site: &Site, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::TcpStream::connect(site.server.address())
        .await
        .unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

fn nix_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_before_a_rewrite_and_after_what_runs_by_name() {
    let site = Site::start("").await;
    assert_eq!(site.text("/api/known.json").await.1, "[]");
    assert_eq!(
        site.text("/api/other?x").await.1,
        r#"{"url":"/api/other?x"}"#
    );
    assert_eq!(site.text("/echo").await.1, r#"{"url":"/"}"#);
    // Nobody sends a body to a file.
    let posted = site
        .send(reqwest::Method::POST, "/api/known.json", &[])
        .await;
    assert_eq!(posted.text().await.unwrap(), r#"{"url":"/api/known.json"}"#);
    let posted = site.send(reqwest::Method::POST, "/app.js", &[]).await;
    assert_eq!(posted.status(), 404);
    let host = ("host", "europe-west1-demo-project.cloudfunctions.net");
    let elsewhere = site.send(reqwest::Method::GET, "/app.js", &[host]).await;
    assert_eq!(elsewhere.status(), 404, "a host of functions");
    assert_eq!(site.get("/only/post").await.status(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_shows_its_file_where_nothing_else_is() {
    let site = Site::start(SINGLE_PAGE).await;
    for (path, text) in [
        ("/profile/7", "<p>home"),
        ("/missing.js", "<p>home"),
        ("/app.js", "run()"),
        ("/echo/x", r#"{"url":"/x"}"#),
        ("/demo-project/europe-west1/echo", r#"{"url":"/"}"#),
        ("/api/x", r#"{"url":"/api/x"}"#),
    ] {
        assert_eq!(site.text(path).await, (200, text.to_owned()), "{path}");
    }
    for (method, path) in [
        (reqwest::Method::POST, "/profile/7"),
        (reqwest::Method::DELETE, "/profile/7"),
        (reqwest::Method::GET, "/__/firebase/init.json"),
        (reqwest::Method::GET, "/favicon.ico"),
    ] {
        let response = site.send(method, path, &[]).await;
        assert_eq!(response.status(), 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_404_to_readers_and_json_to_scripts() {
    let site = Site::start("").await;
    let browser = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    let page = site
        .send(reqwest::Method::GET, "/nowhere", &[browser])
        .await;
    assert_eq!(page.status(), 404);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["cache-control"], "max-age=600");
    assert!(!page.headers().contains_key("etag"));
    assert_eq!(page.text().await.unwrap(), "<p>nothing");
    for headers in [
        &[][..],
        &[("accept", "*/*")],
        &[("accept", "application/json")],
    ] {
        let response = site
            .send(reqwest::Method::GET, "/api-of-others/tria/stats", headers)
            .await;
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        assert!(is_json_404(status, &body), "{headers:?} {status} {body}");
    }
    let posted = site
        .send(reqwest::Method::POST, "/nowhere", &[browser])
        .await;
    let status = posted.status().as_u16();
    assert!(is_json_404(status, &posted.text().await.unwrap()));

    fs::remove_file(site.public().join("404.html")).unwrap();
    let without = site
        .send(reqwest::Method::GET, "/nowhere", &[browser])
        .await;
    let status = without.status().as_u16();
    assert!(is_json_404(status, &without.text().await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_browsers_ask_for_by_themselves_may_be_files() {
    let site = Site::start("").await;
    assert_eq!(site.text("/robots.txt").await, (404, String::new()));
    fs::write(site.public().join("robots.txt"), "User-agent: *").unwrap();
    assert_eq!(
        site.text("/robots.txt").await,
        (200, "User-agent: *".to_owned())
    );
    fs::write(site.public().join("healthz"), "not this").unwrap();
    assert_eq!(site.text("/healthz").await.1, r#"{"status":"ok"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_manifest_are_those_of_the_path() {
    let site = Site::start(SINGLE_PAGE).await;
    for (path, cache_control, rule) in [
        ("/", "max-age=3600", None),
        ("/app.js", "max-age=31536000", Some("script")),
        ("/deep/", "max-age=3600", Some("deep")),
        ("/deep/app.js", "max-age=31536000", Some("deep")),
        ("//deep/app.js", "max-age=31536000", Some("deep")),
        ("/deep/profile", "max-age=3600", Some("deep")),
    ] {
        let response = site.get(path).await;
        let headers = response.headers();
        assert_eq!(headers["cache-control"], cache_control, "{path}");
        let found = headers.get("x-rule").map(|rule| rule.to_str().unwrap());
        assert_eq!(found, rule, "{path}");
    }
    let function = site.get("/api/x.js").await;
    assert!(!function.headers().contains_key("x-rule"));
    let origin = ("origin", "https://app.example");
    let response = site.send(reqwest::Method::GET, "/app.js", &[origin]).await;
    assert_eq!(
        response.headers()["access-control-allow-origin"],
        "https://app.example"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_start_without_the_files_it_promises() {
    let folder = TempDir::new().unwrap();
    let refusal = |rewrites: &'static str| {
        let folder = folder.path().to_owned();
        async move {
            let refused = start(&folder, rewrites).await;
            format!("{:#}", refused.err().expect("a refusal"))
        }
    };
    let text = refusal("").await;
    assert!(text.contains("[hosting] public: the files in"), "{text}");
    fs::write(folder.path().join("public"), "").unwrap();
    let text = refusal("").await;
    assert!(text.contains("not a directory"), "{text}");
    fs::remove_file(folder.path().join("public")).unwrap();
    fs::create_dir(folder.path().join("public")).unwrap();
    let text = refusal(SINGLE_PAGE).await;
    assert!(
        text.contains("there is no /index.html, where the rewrite of /** leads"),
        "{text}"
    );
}
