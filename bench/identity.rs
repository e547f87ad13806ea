//! A key, the token that it signs, and a server that gives away its public half as Google does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::process::free_address;

/// As the manifest of the measured functions calls it.
const BENCHMARK: &str = "benchmark";
/// As the product's manifest calls it.
const PRODUCT: &str = "holograms-media";
pub(crate) const UID: &str = "benchmark-user";
const KEY_ID: &str = "benchmark-key";
/// Of a token: no run of the benchmark is longer than an hour.
const LIFE_SECONDS: u64 = 3600;

pub(crate) struct Identity {
    folder: PathBuf,
    address: SocketAddr,
    /// Of the same user, for each of the two projects.
    pub(crate) benchmark_token: String,
    pub(crate) product_token: String,
}

impl Identity {
    /// Makes the key in `folder`, and serves it until the process ends.
    ///
    /// # Errors
    /// When openssl fails, or no port is free.
    pub(crate) fn new(folder: &Path) -> anyhow::Result<Self> {
        let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let (key, certificate) = (path("key.pem"), path("certificate.pem"));
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-noenc",
            "-subj",
            "/CN=benchmark",
            "-days",
            "2",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ])?;
        let keys = json!({"keys": [jwk(&key)?]}).to_string();
        std::fs::write(folder.join("keys.json"), &keys)?;
        let certificates = json!({KEY_ID: std::fs::read_to_string(&certificate)?}).to_string();
        let account = json!({
            "type": "service_account",
            "project_id": BENCHMARK,
            "private_key": std::fs::read_to_string(&key)?,
            "client_email": "benchmark@example.com",
            "token_uri": "http://127.0.0.1:1/",
        });
        std::fs::write(folder.join("account.json"), account.to_string())?;
        let address = free_address()?;
        serve(TcpListener::bind(address)?, keys, certificates);
        Ok(Self {
            folder: folder.to_owned(),
            address,
            benchmark_token: token(folder, BENCHMARK)?,
            product_token: token(folder, PRODUCT)?,
        })
    }

    /// Of a JWK set.
    pub(crate) fn keys_url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    /// Of certificates by key id.
    pub(crate) fn certificates_url(&self) -> String {
        format!("http://{}/certificates", self.address)
    }

    pub(crate) fn keys_file(&self) -> PathBuf {
        self.folder.join("keys.json")
    }

    /// A key file of a service account, which Firebase's SDK does not start without.
    pub(crate) fn account_file(&self) -> PathBuf {
        self.folder.join("account.json")
    }
}

fn openssl(arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new("openssl")
        .args(arguments)
        .output()
        .context("openssl")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "openssl: {said}");
    Ok(output.stdout)
}

fn jwk(key: &str) -> anyhow::Result<Value> {
    let modulus = String::from_utf8(openssl(&["rsa", "-in", key, "-noout", "-modulus"])?)?;
    let digits = modulus
        .trim()
        .strip_prefix("Modulus=")
        .context("no modulus")?;
    let bytes: Result<Vec<u8>, _> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16))
        .collect();
    let modulus = BASE64_URL_SAFE_NO_PAD.encode(bytes?);
    Ok(
        json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": KEY_ID, "n": modulus, "e": "AQAB"}),
    )
}

/// What Firebase gives a user who signed in a minute ago.
fn token(folder: &Path, project: &str) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() - 60;
    let header = json!({"alg": "RS256", "kid": KEY_ID, "typ": "JWT"});
    let claims = json!({
        "iss": format!("https://securetoken.google.com/{project}"),
        "aud": project,
        "auth_time": now,
        "user_id": UID,
        "sub": UID,
        "iat": now,
        "exp": now + LIFE_SECONDS,
        "email": "user@example.com",
        "email_verified": true,
        "firebase": {"identities": {"email": ["user@example.com"]}, "sign_in_provider": "password"},
    });
    let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(&header), encode(&claims));
    let unsigned = folder.join("unsigned");
    std::fs::write(&unsigned, &message)?;
    let (key, unsigned) = (folder.join("key.pem"), unsigned);
    let (key, unsigned) = (key.to_string_lossy(), unsigned.to_string_lossy());
    let signature = openssl(&["dgst", "-sha256", "-sign", &key, &unsigned])?;
    Ok(format!(
        "{message}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(signature)
    ))
}

/// Answers until the process ends.
fn serve(listener: TcpListener, keys: String, certificates: String) {
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A client that hangs up meanwhile has lost its answer, and that is all.
            let _ = answer(&client, &keys, &certificates);
        }
    });
}

fn answer(client: &TcpStream, keys: &str, certificates: &str) -> anyhow::Result<()> {
    let mut lines = BufReader::new(client).lines();
    let first = lines.next().context("no request")??;
    // Its head ends with an empty line; it has no body.
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let body = match first.contains("/certificates") {
        true => certificates,
        false => keys,
    };
    let mut client = client;
    write!(
        client,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: public, max-age=19000\r\n\
         Date: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        // Without it firebase-admin keeps nothing, and asks again for each token.
        httpdate::fmt_http_date(SystemTime::now()),
        body.len()
    )?;
    Ok(())
}
