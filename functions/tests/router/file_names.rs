//! Names that try to leave the user's folder, and names that are merely unusual.

use std::path::Path;

use crate::harness::router::{download_url, upload_url};
use crate::harness::{Router, Token, form};

/// Outside of every test's folder; nothing else writes there.
const ABSOLUTE: &str = "/tmp/function-router-escaped";

#[tokio::test]
async fn a_file_name_that_is_a_path_is_refused_and_writes_nothing() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let before = router.files();
    for name in [
        "../x",
        "../../x",
        "../../../escaped",
        "../U2/x",
        "..",
        ".",
        "...",
        ".hidden",
        "./x",
        "a/b",
        "a/",
        "/",
        ABSOLUTE,
        r"..\x",
        r"..\\x",
        r"a\b",
        r"C:\x",
    ] {
        let reply = router.upload("U1", &token, name, b"escaped").await;
        assert_eq!(reply.detail(400), "Invalid filename", "{name:?}");
    }
    // Whether the name is at fault or the form around it, nobody can say.
    for name in ["", "a\0b", "a\u{1}b", "a\u{7f}b", &"x".repeat(1100)] {
        let reply = router.upload("U1", &token, name, b"escaped").await;
        assert!(!reply.detail(400).is_empty(), "{name:?}");
    }
    assert_eq!(router.files(), before);
    assert!(!Path::new(ABSOLUTE).exists());
}

#[tokio::test]
async fn an_extended_file_name_is_no_way_around_the_rules() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let before = router.files();
    for parameters in [
        "filename=\"a.webm\"; filename*=UTF-8''..%2F..%2Fx",
        "filename*=UTF-8''..%2F..%2Fx",
        "filename=\"a.webm\"; filename=\"../../x\"",
    ] {
        let plain = String::from_utf8(form::file("NAME", b"escaped")).unwrap();
        let body = plain.replace("filename=\"NAME\"", parameters);
        let call = router.post(&upload_url("U1")).bearer(&token);
        let reply = call.form(body).send().await;
        let stored: Vec<_> = router
            .files()
            .into_iter()
            .filter(|path| !before.contains(path))
            .collect();
        let inside = stored
            .iter()
            .all(|path| path.starts_with("disk/user_chunks/U1/"));
        assert!(inside, "{parameters}: {stored:?}");
        assert!(
            matches!(reply.status, 200 | 400 | 422),
            "{parameters}: {reply:?}"
        );
    }
}

#[tokio::test]
async fn no_url_reads_a_file_outside_of_the_users_folder() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.webm", b"mine").await;
    router
        .upload("U2", &Token::of("U2").signed(), "secret.webm", b"secret")
        .await;
    std::fs::write(router.disk().join("secret.webm"), "secret").unwrap();
    for name in [
        "%2e%2e",
        "..",
        ".",
        "%2e",
        "..%2fx",
        "..%2fsecret.webm",
        "..%2f..%2fsecret.webm",
        "..%2fU2%2fsecret.webm",
        "%2e%2e%2fU2%2fsecret.webm",
        "../U2/secret.webm",
        "../../secret.webm",
        "..%5cU2%5csecret.webm",
        "%252e%252e%252fU2%252fsecret.webm",
        "..%c0%afU2%c0%afsecret.webm",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "a.webm%00.txt",
        "a.webm%2f",
        "%00",
        "%ff",
        "%zz",
        "",
    ] {
        let reply = router.download("U1", &token, name).await;
        assert!(matches!(reply.status, 400 | 403 | 404), "{name}: {reply:?}");
        assert!(
            !reply.text().contains("secret") && !reply.text().contains("root:"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn no_uid_in_a_url_leads_out_of_the_bucket() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    std::fs::write(router.disk().join("secret.webm"), "secret").unwrap();
    let before = router.files();
    for uid in [
        "%2e%2e",
        "..",
        ".",
        "%2e",
        "..%2f..",
        "U1%2f..",
        "%2e%2e%2f",
        "",
        "%00",
        "U1%00",
    ] {
        for (what, call) in [
            (
                "upload",
                router.post(&upload_url(uid)).form(form::file("x", b"x")),
            ),
            ("download", router.get(&download_url(uid, "secret.webm"))),
        ] {
            let reply = call.bearer(&token).send().await;
            assert!(
                matches!(reply.status, 400 | 403 | 404),
                "{what} {uid}: {reply:?}"
            );
            assert!(!reply.text().contains("secret"), "{what} {uid}");
        }
    }
    assert_eq!(router.files(), before);
}

#[tokio::test]
async fn a_hostile_uid_has_a_folder_like_everybody() {
    let router = Router::start().await;
    let longest = "ü".repeat(128);
    let uids = [
        ("..", "%2E%2E"),
        (".", "%2e"),
        ("a/b", "a%2Fb"),
        ("../U2", "..%2fU2"),
        ("%2e%2e", "%252e%252e"),
        (".staging", ".staging"),
        (r"a\b", "a%5Cb"),
        ("a b", "a%20b"),
        ("CON", "CON"),
        (&longest, &"%C3%BC".repeat(128)),
    ];
    for (uid, escaped) in uids {
        let token = Token::of(uid).signed();
        let reply = router
            .upload(escaped, &token, "a.webm", uid.as_bytes())
            .await;
        assert_eq!(reply.status, 200, "{uid}: {reply:?}");
        let message = format!("Chunk 'a.webm' uploaded successfully for user '{uid}'.");
        assert_eq!(reply.json()["message"], message);
    }
    for (uid, escaped) in uids {
        let reply = router
            .download(escaped, &Token::of(uid).signed(), "a.webm")
            .await;
        assert_eq!((reply.status, reply.text().as_str()), (200, uid));
    }
    let files = router.files();
    let objects: Vec<_> = files
        .iter()
        .filter(|path| path.ends_with("a.webm"))
        .collect();
    assert_eq!(objects.len(), uids.len(), "{files:?}");
    assert!(
        objects
            .iter()
            .all(|path| path.starts_with("disk/user_chunks/")),
        "{files:?}"
    );
}

#[tokio::test]
async fn an_unusual_name_makes_the_round_trip() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    let long = "n".repeat(200);
    for (name, escaped) in [
        ("звук 1.wav", "%D0%B7%D0%B2%D1%83%D0%BA%201.wav"),
        ("a+b&c=d;e,f.wav", "a+b&c=d;e,f.wav"),
        ("100%.wav", "100%25.wav"),
        ("%2e%2e", "%252e%252e"),
        ("it's.wav", "it's.wav"),
        ("a#b?c.wav", "a%23b%3Fc.wav"),
        ("📼.wav", "%F0%9F%93%BC.wav"),
        (&long, &long),
    ] {
        let reply = router.upload("U1", &token, name, name.as_bytes()).await;
        let message = format!("Chunk '{name}' uploaded successfully for user 'U1'.");
        assert_eq!(
            (reply.status, &reply.json()["message"]),
            (200, &message.into())
        );
        let reply = router.download("U1", &token, escaped).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, name));
    }
    let reply = router
        .download("U1", &token, "%D0%B7%D0%B2%D1%83%D0%BA%201.wav")
        .await;
    let disposition = reply.header("content-disposition").to_lowercase();
    let expected = "filename*=utf-8''%d0%b7%d0%b2%d1%83%d0%ba%201.wav";
    assert!(disposition.starts_with("attachment;"), "{disposition}");
    assert!(disposition.contains(expected), "{disposition}");
}

#[tokio::test]
async fn a_symbolic_link_on_the_disk_is_not_followed() {
    let router = Router::start().await;
    let token = Token::of("U1").signed();
    router.upload("U1", &token, "a.webm", b"mine").await;
    let outside = router.disk().join("secret.webm");
    std::fs::write(&outside, "secret").unwrap();
    let folder = router.disk().join("user_chunks/U1");
    std::os::unix::fs::symlink(&outside, folder.join("link.webm")).unwrap();
    let reply = router.download("U1", &token, "link.webm").await;
    assert!(!reply.text().contains("secret"), "{reply:?}");
    router.upload("U1", &token, "link.webm", b"written").await;
    assert_eq!(std::fs::read(&outside).unwrap(), b"secret");
}
